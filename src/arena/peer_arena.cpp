#include "arena/peer_arena.hpp"

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
      program_(presence_.program()),
      number_(cache_->enter()) {
    enter_forks();
}

PeerArena::~PeerArena() {
    leave_forks();
    cache_->leave(number_);
}

void PeerArena::in_child() noexcept {
    file_ = os::Fd{};
    presence_.abandon();
}

WindowCache::Found PeerArena::found_at(std::uint64_t address, std::uint64_t bytes) const noexcept {
    WindowCache::Found found = cache_->get(number_, address - base_, file_, capacity_);
    if (bytes < found.bytes.size())
        found.bytes = found.bytes.first(static_cast<std::size_t>(bytes));
    return found;
}

attach::PeerMemory::Reach PeerArena::reach(std::uint64_t address, std::uint64_t bytes) noexcept {
    if (bytes == 0 || !owns(address, 1)) return {};
    WindowCache::Found found = found_at(address, bytes);
    return {found.bytes, std::move(found.window)};
}

}  // namespace onecopy::arena
