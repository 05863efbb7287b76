// A link whose messages are copied out of one buffer of the program into another.
#pragma once

#include <cstddef>

#include "link.hpp"
#include "rank/memory.hpp"

namespace onecopy::p2p {

using bench::Area;

/// Where message `slot` of a batch of that size lies in an area.
inline std::byte* in_area(std::byte* area, int slot, std::size_t bytes) noexcept {
    constexpr std::size_t line = 64;
    return area + static_cast<std::size_t>(slot) * ((bytes + line - 1) / line * line);
}

/// The two areas of a rank: what it sends, and what it receives. Messages to different peers share
/// the first.
class CopyingLink : public Link {
public:
    std::byte* outgoing(int, int slot, std::size_t bytes) override {
        return in_area(from(), slot, bytes);
    }
    std::byte* landing(int slot, std::size_t bytes) override { return in_area(to(), slot, bytes); }

protected:
    [[nodiscard]] virtual std::byte* from() = 0;
    [[nodiscard]] virtual std::byte* to() = 0;
};

/// The areas in ordinary memory.
class OrdinaryLink : public CopyingLink {
protected:
    explicit OrdinaryLink(const Setup& setup) : from_(setup.area_bytes), to_(setup.area_bytes) {}

    [[nodiscard]] std::byte* from() override { return from_.data(); }
    [[nodiscard]] std::byte* to() override { return to_.data(); }

private:
    Area from_;
    Area to_;
};

}  // namespace onecopy::p2p
