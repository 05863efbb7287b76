// An operation ready to be applied: a kernel or a caller's function, and which operand stands left.
#pragma once

#include <cstddef>
#include <span>

#include "attach/transfer.hpp"
#include "onecopy/reduce.hpp"
#include "reduce/kernels.hpp"

namespace onecopy::reduction {

class Combiner {
public:
    /// Not usable if MPI's table does not allow the pair.
    Combiner(Op op, Type type, bool local_is_left) noexcept
        : kernel_(find_kernel(op, type)),
          function_{nullptr, kernel_ != nullptr ? size_of(type) : 0, nullptr},
          local_is_left_(local_is_left) {}

    /// Not usable if there is nothing to call or an element has no bytes.
    Combiner(const Function& function, bool local_is_left) noexcept
        : function_(function), local_is_left_(local_is_left) {
        if (function.call == nullptr) function_.element_bytes = 0;
    }

    [[nodiscard]] bool usable() const noexcept { return function_.element_bytes != 0; }
    [[nodiscard]] std::size_t element_bytes() const noexcept { return function_.element_bytes; }

    /// Whether it is a caller's function, which may leave parts of a result as they were.
    [[nodiscard]] bool is_foreign() const noexcept { return function_.call != nullptr; }

    /// `bytes`, a whole number of elements, of local and remote operands to `result`, which is one
    /// of the two or apart from both.
    void operator()(const std::byte* local, const std::byte* remote, std::byte* result,
                    std::size_t bytes) const noexcept {
        elements(local, remote, result, bytes / function_.element_bytes);
    }

    /// The same for so many elements.
    void elements(const std::byte* local, const std::byte* remote, std::byte* result,
                  std::size_t count) const noexcept {
        const std::byte* const left = local_is_left_ ? local : remote;
        const std::byte* const right = local_is_left_ ? remote : local;
        if (kernel_ != nullptr)
            kernel_(left, right, result, count);
        else
            function_.call(left, right, result, count, function_.context);
    }

private:
    Kernel kernel_ = nullptr;
    Function function_;
    bool local_is_left_;
};

/// Bytes of the shorter list; `whole` becomes false if a segment of either cuts an element.
template <class LocalSegment>
std::uint64_t measure(std::span<const LocalSegment> local, std::span<const RemoteSegment> remote,
                      std::size_t element_bytes, bool& whole) noexcept {
    whole = plan::whole_elements(local.data(), local.size(), element_bytes) &&
            plan::whole_elements(remote.data(), remote.size(), element_bytes);
    const auto total = [](const auto& list) {
        std::uint64_t sum = 0;
        for (const auto& segment : list) {
            const std::uint64_t bytes =
                plan::SegmentTraits<std::remove_cvref_t<decltype(segment)>>::bytes(segment);
            if (__builtin_add_overflow(sum, bytes, &sum)) return UINT64_MAX;
        }
        return sum;
    };
    const std::uint64_t here = total(local);
    const std::uint64_t there = total(remote);
    return here < there ? here : there;
}

/// Whether no element of the list lies across a page border, so that a transfer that stops at a bad
/// page of that side stops between elements.
template <class AnySegment>
bool never_torn(std::span<const AnySegment> list, std::size_t element_bytes) noexcept {
    constexpr std::uint64_t smallest_page = 4096;
    if (smallest_page % element_bytes != 0) return false;
    for (const AnySegment& segment : list)
        if (plan::SegmentTraits<AnySegment>::address(segment) % element_bytes != 0) return false;
    return true;
}

/// The remote runs of one tile, taken from a cursor. 2 KiB of stack: a thread that calls us may
/// have little, and with 128 elements a call even 8-byte runs spend most of their time in the
/// kernel.
struct Runs {
    static constexpr std::size_t most = 128;
    RemoteSegment list[most];
    std::size_t count = 0;
    std::size_t bytes = 0;

    /// The next `wanted` bytes, or fewer if the list is out of room; moves the cursor past them.
    void take(plan::Cursor<RemoteSegment>& from, std::uint64_t wanted) noexcept {
        count = 0;
        bytes = 0;
        while (bytes < wanted && count < most && !from.done()) {
            const plan::Run run = from.run();
            const std::uint64_t part = run.bytes < wanted - bytes ? run.bytes : wanted - bytes;
            list[count++] = {run.address, part};
            bytes += static_cast<std::size_t>(part);
            from.advance(part);
        }
    }
    [[nodiscard]] std::span<const RemoteSegment> span() const noexcept { return {list, count}; }

    /// Where the byte at `offset` of this batch lies; `offset` < bytes.
    [[nodiscard]] std::uint64_t address_of(std::uint64_t offset) const noexcept {
        const RemoteSegment* at = list;
        while (offset >= at->bytes) offset -= (at++)->bytes;
        return at->address + offset;
    }
};

}  // namespace onecopy::reduction
