// A rank of our own library, with two areas for what it sends and receives: in the node's arena, or
// (ONECOPY_BENCH_MEMORY=ordinary) in memory from malloc, which nobody prepared.
#pragma once

#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "onecopy/node.hpp"
#include "onecopy/version.hpp"
#include "rank/member.hpp"
#include "rank/memory.hpp"

namespace onecopy::bench {

/// A piece of an arena.
class ArenaArea {
public:
    ArenaArea(Arena& arena, std::size_t bytes)
        : arena_(arena),
          bytes_(bytes),
          at_(static_cast<std::byte*>(arena.allocate(bytes, page_bytes))) {}
    ArenaArea(const ArenaArea&) = delete;
    ArenaArea& operator=(const ArenaArea&) = delete;
    ~ArenaArea() { arena_.deallocate(at_, bytes_, page_bytes); }

    [[nodiscard]] std::byte* data() const noexcept { return at_; }

private:
    Arena& arena_;
    std::size_t bytes_;
    std::byte* at_;
};

class OnecopyRank {
public:
    /// Throws Unusable, or what Node and its arena throw.
    explicit OnecopyRank(const Setup& setup) {
        if (node_.size() != setup.ranks) {
            throw Unusable("the job has another number of ranks");
        }
        const char* const memory = std::getenv("ONECOPY_BENCH_MEMORY");
        if (memory != nullptr && std::string_view(memory) == "ordinary") {
            ordinary_from_.emplace(setup.area_bytes);
            ordinary_to_.emplace(setup.area_bytes);
        } else {
            from_.emplace(node_.arena(), setup.area_bytes);
            to_.emplace(node_.arena(), setup.area_bytes);
        }
    }

    [[nodiscard]] int rank() const noexcept { return node_.rank(); }
    [[nodiscard]] Communicator& world() noexcept { return node_.world(); }
    [[nodiscard]] std::byte* from() const noexcept {
        return from_ ? from_->data() : ordinary_from_->data();
    }
    [[nodiscard]] std::byte* to() const noexcept {
        return to_ ? to_->data() : ordinary_to_->data();
    }

    static std::string version() { return "onecopy " ONECOPY_VERSION; }

private:
    Node node_;  // outlives all that is its
    std::optional<ArenaArea> from_;
    std::optional<ArenaArea> to_;
    std::optional<Area> ordinary_from_;
    std::optional<Area> ordinary_to_;
};

}  // namespace onecopy::bench
