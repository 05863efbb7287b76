// The memory of one message on one side: a run of bytes, or a list of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "onecopy/transfer.hpp"

namespace onecopy::node {

/// Borrows the bytes, owns the list. What is to be sent is never written.
class Pieces {
public:
    Pieces() noexcept = default;
    explicit Pieces(Segment one) noexcept : one_(one) {}
    explicit Pieces(ConstSegment one) noexcept
        : one_(const_cast<std::byte*>(one.data()), one.size()) {}
    explicit Pieces(std::span<const Segment> list) { take(list); }
    explicit Pieces(std::span<const ConstSegment> list) { take(list); }

    [[nodiscard]] std::span<const Segment> list() const noexcept {
        return many_.empty() ? std::span(&one_, 1) : std::span<const Segment>(many_);
    }
    [[nodiscard]] std::uint64_t bytes() const noexcept {
        std::uint64_t sum = 0;
        for (const Segment& each : list()) sum += each.size();
        return sum;
    }

    /// Copies all of it to `to`.
    void gather(std::byte* to) const noexcept {
        for (const Segment& each : list()) {
            if (!each.empty()) std::memcpy(to, each.data(), each.size());
            to += each.size();
        }
    }

    /// Copies `from` to the memory, as much as there is room for.
    void scatter(std::span<const std::byte> from) const noexcept {
        for (const Segment& each : list()) {
            const std::size_t bytes = std::min(each.size(), from.size());
            if (bytes == 0) continue;
            std::memcpy(each.data(), from.data(), bytes);
            from = from.subspan(bytes);
        }
    }

private:
    template <class S>
    void take(std::span<const S> list) {
        if (list.size() == 1) {
            one_ = {const_cast<std::byte*>(list[0].data()), list[0].size()};
            return;
        }
        many_.reserve(list.size());
        for (const S& each : list) {
            many_.emplace_back(const_cast<std::byte*>(each.data()), each.size());
        }
    }

    Segment one_;
    std::vector<Segment> many_;
};

}  // namespace onecopy::node
