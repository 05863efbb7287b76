// The loop that carries a transfer to its end: batches, engines, and the check after each call.
#pragma once

#include <span>

#include "attach/engine.hpp"
#include "onecopy/transfer.hpp"

namespace onecopy::plan {

template <>
struct SegmentTraits<RemoteSegment> {
    static constexpr std::uint64_t address(const RemoteSegment& s) noexcept { return s.address; }
    static constexpr std::uint64_t bytes(const RemoteSegment& s) noexcept { return s.bytes; }
};

template <class Byte>
struct SegmentTraits<std::span<Byte>> {
    static std::uint64_t address(const std::span<Byte>& s) noexcept {
        return reinterpret_cast<std::uintptr_t>(s.data());
    }
    static std::uint64_t bytes(const std::span<Byte>& s) noexcept { return s.size(); }
};

}  // namespace onecopy::plan

namespace onecopy::attach {

/// read() and write() over a list of engines of the caller's choice, in that order. For tests and
/// for the layers that add engines. An engine that refuses hands over at the exact byte.
Transfer read(const Target& from, std::span<const RemoteSegment> remote,
              std::span<const Segment> local, std::span<const Engine* const> engines) noexcept;
Transfer write(const Target& to, std::span<const ConstSegment> local,
               std::span<const RemoteSegment> remote,
               std::span<const Engine* const> engines) noexcept;

}  // namespace onecopy::attach
