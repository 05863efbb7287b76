#include "reduce/tile.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

namespace onecopy::reduction {
namespace {

std::byte* map(std::size_t bytes) noexcept {
    void* const memory =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<std::byte*>(memory);
}

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

/// Gives the thread's room back when the thread ends.
struct Room::AtThreadEnd {
    AtThreadEnd() noexcept = default;
    AtThreadEnd(const AtThreadEnd&) = delete;
    AtThreadEnd& operator=(const AtThreadEnd&) = delete;
    ~AtThreadEnd() {
        taken_ = true;
        if (thread_room_ != nullptr) ::munmap(thread_room_, 2 * tile_bytes());
        thread_room_ = nullptr;
    }
    void arm() const noexcept {}  // its first use registers the destructor
};

void Room::find(std::size_t bytes) noexcept {
    static thread_local const AtThreadEnd at_thread_end;
    const std::size_t thread_room_bytes = 2 * tile_bytes();
    if (bytes <= thread_room_bytes && !taken_) {  // and so the thread has none yet
        at_thread_end.arm();
        data_ = thread_room_ = map(thread_room_bytes);
        taken_ = data_ != nullptr;
        return;
    }
    data_ = map(bytes);
    own_bytes_ = bytes;
}

void Room::give_back() noexcept {
    if (data_ != nullptr) ::munmap(data_, own_bytes_);
}

}  // namespace onecopy::reduction
