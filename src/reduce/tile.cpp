#include "reduce/tile.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

namespace onecopy::reduction {
namespace {

/// The thread's room. No destructors: destructors of other thread-local objects may still reduce
/// after ours have run, and find the room taken for good.
constinit thread_local std::byte* thread_room = nullptr;
constinit thread_local bool taken = false;

std::byte* map(std::size_t bytes) noexcept {
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
}

/// Gives the thread's room back when the thread ends.
struct AtThreadEnd {
    AtThreadEnd() noexcept = default;
    AtThreadEnd(const AtThreadEnd&) = delete;
    AtThreadEnd& operator=(const AtThreadEnd&) = delete;
    ~AtThreadEnd() {
        taken = true;
        if (thread_room != nullptr) ::munmap(thread_room, 2 * tile_bytes());
        thread_room = nullptr;
    }
    void arm() const noexcept {}  // its first use registers the destructor
};
thread_local const AtThreadEnd at_thread_end;

}  // namespace

std::size_t tile_bytes() noexcept {
    constinit static std::atomic<std::size_t> known{0};
    std::size_t bytes = known.load(std::memory_order_relaxed);
    if (bytes == 0) {
        constexpr long least = 256 << 10;
        constexpr long most = 512 << 10;
        const long cache = ::sysconf(_SC_LEVEL2_CACHE_SIZE);  // 0 or -1 where it cannot be told
        bytes = static_cast<std::size_t>(std::clamp(cache / 2, least, most));
        known.store(bytes, std::memory_order_relaxed);
    }
    return bytes;
}

Room::Room(std::size_t bytes) noexcept {
    const std::size_t thread_room_bytes = 2 * tile_bytes();
    if (bytes <= thread_room_bytes && !taken) {
        if (thread_room == nullptr) {
            at_thread_end.arm();
            thread_room = map(thread_room_bytes);
        }
        data_ = thread_room;
        taken = data_ != nullptr;
        return;
    }
    data_ = map(bytes);
    own_bytes_ = bytes;
}

Room::~Room() {
    if (own_bytes_ == 0) {
        if (data_ != nullptr) taken = false;
    } else if (data_ != nullptr) {
        ::munmap(data_, own_bytes_);
    }
}

}  // namespace onecopy::reduction
