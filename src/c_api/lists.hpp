// C's lists of segments as ours.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

#include "onecopy/onecopy.h"
#include "onecopy/transfer.hpp"

namespace onecopy::c_api {

/// An array of up to 32 segments on the stack, and of any number on the heap.
template <class To>
class List {
public:
    /// Converts `count` elements by `convert`. Empty and !ok() when memory ran out.
    template <class From, class Convert>
    List(const From* from, std::size_t count, Convert&& convert) noexcept {
        if (count > PTRDIFF_MAX / sizeof(To)) return;  // new would throw, nothrow or not
        if (count > few_) {
            heap_.reset(new (std::nothrow) To[count]);
        }
        at_ = count > few_ ? heap_.get() : room_.data();
        if (at_ == nullptr) return;
        count_ = count;
        for (std::size_t i = 0; i < count; ++i) at_[i] = convert(from[i]);
    }
    List(const List&) = delete;
    List& operator=(const List&) = delete;

    [[nodiscard]] bool ok() const noexcept { return at_ != nullptr; }
    [[nodiscard]] std::span<To> get() const noexcept { return {at_, count_}; }

private:
    static constexpr std::size_t few_ = 32;
    std::array<To, few_> room_{};
    std::unique_ptr<To[]> heap_;
    To* at_ = nullptr;
    std::size_t count_ = 0;
};

inline Segment to_segment(const iovec& v) noexcept {
    return {static_cast<std::byte*>(v.iov_base), v.iov_len};
}
inline ConstSegment to_const_segment(const iovec& v) noexcept { return to_segment(v); }
inline RemoteSegment to_remote(const onecopy_remote& r) noexcept { return {r.address, r.bytes}; }

}  // namespace onecopy::c_api
