// Ownership of a mapping.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace onecopy::os {

/// Owns a run of mapped pages; empty if mmap failed (errno says why). Source: mmap(2).
class Mapping {
public:
    Mapping() noexcept = default;
    Mapping(std::size_t bytes, int protection, int flags, int fd = -1, off_t offset = 0) noexcept {
        void* const at = ::mmap(nullptr, bytes, protection, flags, fd, offset);
        if (at != MAP_FAILED) bytes_ = {static_cast<std::byte*>(at), bytes};
    }
    /// Maps at a multiple of `alignment`, a power of two not below the page size.
    static Mapping aligned(std::size_t bytes, std::size_t alignment, int protection, int flags,
                           int fd, off_t offset = 0) noexcept {
        Mapping result;
        const std::size_t room_bytes = bytes + alignment;
        Mapping room(room_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE);
        if (!room) return result;
        const auto start = reinterpret_cast<std::uintptr_t>(room.data());
        const std::size_t head = -start & (alignment - 1);
        void* const at =
            ::mmap(room.data() + head, bytes, protection, flags | MAP_FIXED, fd, offset);
        if (at == MAP_FAILED) return result;
        result.bytes_ = {static_cast<std::byte*>(at), bytes};
        // What is left of the room on both sides.
        std::byte* const begin = room.release().data();
        if (head > 0) ::munmap(begin, head);
        const std::size_t pages_end = (bytes + 4095) / 4096 * 4096;
        if (room_bytes > head + pages_end) {
            ::munmap(begin + head + pages_end, room_bytes - head - pages_end);
        }
        return result;
    }
    Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}
    Mapping& operator=(Mapping&& other) noexcept {
        Mapping taken(std::move(other));
        std::swap(bytes_, taken.bytes_);
        return *this;
    }
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() {
        if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
    }

    explicit operator bool() const noexcept { return !bytes_.empty(); }
    [[nodiscard]] std::byte* data() const noexcept { return bytes_.data(); }
    [[nodiscard]] std::size_t size() const noexcept { return bytes_.size(); }
    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

    /// Gives the pages up: the caller owns them.
    std::span<std::byte> release() noexcept { return std::exchange(bytes_, {}); }

private:
    std::span<std::byte> bytes_;
};

}  // namespace onecopy::os
