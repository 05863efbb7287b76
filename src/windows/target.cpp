#include "windows/target.hpp"

#include <fcntl.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <utility>

#include "os/sealed_memfd.hpp"

namespace onecopy::windows {
namespace {

std::error_code kernel_error(int number) noexcept { return {number, std::system_category()}; }

}  // namespace

std::error_code Target::may_be_reached(node::Endpoint& endpoint) const noexcept {
    if (memory() != nullptr || part.bytes == 0) return {};
    std::error_code error;
    if (endpoint.peers().process(member, error) == nullptr) return error;
    if (part.in_arena != 0) {
        const Attachment* const arena = endpoint.peers().arena(member);
        return arena != nullptr && arena->owns(part.address, part.bytes) ? std::error_code()
                                                                         : kernel_error(EPERM);
    }
    return endpoint.peers().may_be_read(member) ? std::error_code() : kernel_error(EPERM);
}

std::error_code Target::reach(node::Endpoint& endpoint) noexcept {
    if (memory() != nullptr || process() != nullptr) return {};
    if (const std::error_code error = may_be_reached(endpoint)) return error;
    std::error_code error;
    if (part.in_arena == 0) {
        process_.store(endpoint.peers().process(member, error), std::memory_order_release);
        return error;
    }
    const Attachment& arena = *endpoint.peers().arena(member);
    View view = arena.reach(part.address, part.bytes, error);
    if (error) return error;
    if (view.bytes().size() < part.bytes) return map_across_windows(endpoint, arena);
    view_ = std::move(view);
    memory_.store(view_.bytes().data(), std::memory_order_release);
    return {};
}

/// The arena's cache maps windows of its own size, wherever there is room: a part that lies in more
/// than one of them gets a mapping of its own, so that it is one run of memory here.
std::error_code Target::map_across_windows(node::Endpoint& endpoint,
                                           const Attachment& arena) noexcept {
    const node::RankLine& line = endpoint.memory().line(member);
    std::array<char, 64> path;
    std::snprintf(path.data(), path.size(), "/proc/%d/fd/%d", line.pid, line.arena_fd);
    const os::Fd file(::open(path.data(), O_RDWR | O_CLOEXEC));
    if (!file) return kernel_error(errno);
    // The number was still that process's when the file was opened.
    std::error_code error;
    const Process* const owner = endpoint.peers().process(member, error);
    if (owner == nullptr) return error;
    if (!owner->alive() || !owner->same_image()) return kernel_error(ESRCH);
    constexpr std::uint64_t page = 4096;
    const std::uint64_t offset = part.address - line.arena_base;
    const std::uint64_t first = offset / page * page;
    try {
        if (os::size_of_sealed_memfd(file) < arena.capacity()) return kernel_error(EINVAL);
    } catch (const std::system_error& failure) {
        return failure.code();
    }
    os::Mapping mapping(static_cast<std::size_t>(offset - first + part.bytes),
                        PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file.get(),
                        static_cast<off_t>(first));
    if (!mapping) return kernel_error(errno);
    // As the arena's own windows: not in a core dump, not in a child.
    ::madvise(mapping.data(), mapping.size(), MADV_DONTDUMP);
    ::madvise(mapping.data(), mapping.size(), MADV_DONTFORK);
    mapping_ = std::move(mapping);
    memory_.store(mapping_.data() + (offset - first), std::memory_order_release);
    return {};
}

}  // namespace onecopy::windows
