#include "arena/peer_arena.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "os/sealed_memfd.hpp"

namespace onecopy::arena {
namespace {

/// Bytes before the header.
std::size_t capacity_of(const os::Fd& file) {
    const std::size_t bytes = os::size_of_sealed_memfd(file);
    return bytes > header_bytes() ? bytes - header_bytes() : 0;
}

}  // namespace

PeerArena::PeerArena(std::shared_ptr<WindowCache> cache, os::Fd file, std::uint64_t base)
    : cache_(std::move(cache)),
      file_(std::move(file)),
      base_(base),
      capacity_(capacity_of(file_)),
      presence_(file_, base, capacity_),
      number_(cache_->enter()) {}

PeerArena::~PeerArena() { cache_->leave(number_); }

void PeerArena::in_child() noexcept {
    file_ = os::Fd{};
    presence_.abandon();
}

std::shared_ptr<Window> PeerArena::window_at(std::uint64_t address) const noexcept {
    return cache_->get(number_, (address - base_) / cache_->window_bytes(), file_, capacity_);
}

std::span<std::byte> PeerArena::part(const Window& window, std::uint64_t offset,
                                     std::uint64_t bytes, std::size_t window_bytes) noexcept {
    const auto within = static_cast<std::size_t>(offset % window_bytes);
    const std::span<std::byte> rest = window.bytes().subspan(within);
    return rest.first(static_cast<std::size_t>(std::min<std::uint64_t>(bytes, rest.size())));
}

attach::PeerMemory::Reach PeerArena::reach(std::uint64_t address, std::uint64_t bytes) noexcept {
    if (bytes == 0 || !owns(address, 1)) return {};
    std::shared_ptr<Window> window = window_at(address);
    if (!window) return {};
    const std::span<std::byte> found =
        part(*window, address - base_, bytes, cache_->window_bytes());
    return {found, std::move(window)};
}

}  // namespace onecopy::arena
