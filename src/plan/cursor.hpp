// Walking a list of memory segments.
//
// Freestanding: this header and its neighbours are compiled into user space and into a kernel
// module alike. No allocation, no libc, no exceptions, no header of an operating system.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace onecopy::plan {

/// A run of bytes: where it starts, in whichever process, and how long it is.
struct Run {
    uint64_t address;
    uint64_t bytes;
};

/// How a foreign segment type tells its address and length. Specialise it for each list type:
/// `static uint64_t address(const S&)`, `static uint64_t bytes(const S&)`.
template <class S>
struct SegmentTraits;

template <>
struct SegmentTraits<Run> {
    static constexpr uint64_t address(const Run& run) noexcept { return run.address; }
    static constexpr uint64_t bytes(const Run& run) noexcept { return run.bytes; }
};

/// A position in a list of segments. Stands on a byte, or at the end; never on an empty segment.
/// Borrows the list. A value: copies are independent positions.
template <class S>
class Cursor {
    using Traits = SegmentTraits<S>;

public:
    constexpr Cursor() noexcept = default;
    constexpr Cursor(const S* list, size_t count) noexcept : at_(list), end_(list + count) {
        skip_empty();
    }

    [[nodiscard]] constexpr bool done() const noexcept { return at_ == end_; }

    /// What is left of the current segment. Not at the end.
    [[nodiscard]] constexpr Run run() const noexcept {
        return {Traits::address(*at_) + offset_, Traits::bytes(*at_) - offset_};
    }

    /// Goes on by `bytes`, over any number of segments; stops at the end.
    constexpr void advance(uint64_t bytes) noexcept {
        while (at_ != end_) {
            const uint64_t left = Traits::bytes(*at_) - offset_;
            if (bytes < left) {
                offset_ += bytes;
                return;
            }
            bytes -= left;
            offset_ = 0;
            ++at_;
        }
    }

private:
    constexpr void skip_empty() noexcept { advance(0); }

    const S* at_ = nullptr;
    const S* end_ = nullptr;
    uint64_t offset_ = 0;  // < bytes(*at_), or 0 at the end
};

/// Whether every segment of a list is a whole number of elements of `element_bytes` (not 0).
template <class S>
constexpr bool whole_elements(const S* list, size_t count, uint64_t element_bytes) noexcept {
    for (size_t i = 0; i < count; ++i) {
        if (SegmentTraits<S>::bytes(list[i]) % element_bytes != 0) return false;
    }
    return true;
}

}  // namespace onecopy::plan
