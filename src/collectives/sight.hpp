// Memory of the other members as it is mapped here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "collectives/group.hpp"
#include "onecopy/attachment.hpp"

namespace onecopy::collectives {

/// Keeps what it has mapped for as long as it lives.
class Sight {
public:
    /// Throws std::bad_alloc.
    explicit Sight(Group& group)
        : group_(group), seen_(2 * static_cast<std::size_t>(group.size())) {}

    /// Whether the memory lies where others can map it.
    [[nodiscard]] bool can_be_seen(const std::byte* at, std::uint64_t bytes) const noexcept {
        const Arena* const arena = group_.endpoint().arena();
        return bytes == 0 || (arena != nullptr && arena->owns(at) && arena->owns(at + bytes - 1));
    }
    /// Whether this rank can map the member's arena.
    [[nodiscard]] bool can_see(int member) noexcept {
        return member == group_.rank() ||
               group_.endpoint().peers().arena(group_.context().member(member)) != nullptr;
    }

    /// Where the member's memory at `address` is here; `bytes` becomes less where a window ends.
    /// `which`: 0 or 1, each kept apart. Null: it cannot be mapped any more.
    std::byte* at(int member, unsigned which, std::uint64_t address,
                  std::uint64_t& bytes) noexcept {
        if (member == group_.rank()) {
            return reinterpret_cast<std::byte*>(static_cast<std::uintptr_t>(address));
        }
        Seen& seen = seen_[2 * static_cast<std::size_t>(member) + which];
        if (address - seen.address >= seen.view.bytes().size() && !look(member, address, seen)) {
            return nullptr;
        }
        const std::uint64_t offset = address - seen.address;
        bytes = std::min<std::uint64_t>(bytes, seen.view.bytes().size() - offset);
        return seen.view.bytes().data() + offset;
    }

private:
    struct Seen {
        std::uint64_t address = 0;
        View view;
    };
    bool look(int member, std::uint64_t address, Seen& seen) noexcept {
        const Attachment* const arena =
            group_.endpoint().peers().arena(group_.context().member(member));
        if (arena == nullptr) return false;
        std::error_code error;
        seen.view = arena->reach(address, UINT64_MAX - address, error);
        seen.address = address;
        return !seen.view.bytes().empty();
    }

    Group& group_;
    std::vector<Seen> seen_;
};

}  // namespace onecopy::collectives
