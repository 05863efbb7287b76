// The pages of an arena: one sparse file, mapped once, handed out in runs of pages.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "arena/extents.hpp"
#include "arena/presence.hpp"
#include "arena/ranges.hpp"
#include "arena/write_hold.hpp"
#include "onecopy/arena.hpp"
#include "os/fd.hpp"
#include "os/headroom.hpp"
#include "os/mapping.hpp"
#include "os/own_memory.hpp"

namespace onecopy::arena {

/// Hands out runs of whole pages, across forks too: a child has a private copy. Three kinds of page
/// are free: never used or given back (no memory), and kept (memory, contents of old).
///
/// All members may be called by several threads; one lock, held for the bookkeeping, for a question
/// to the kernel about limits, and while memory is given back.
class Space {
public:
    explicit Space(const ArenaOptions& options);
    ~Space();
    Space(const Space&) = delete;
    Space& operator=(const Space&) = delete;

    /// A run of at least `bytes`, at a multiple of `alignment`; null if there is no room, or not
    /// enough memory as far as can be known. `zero`: whether it must read as zeros.
    void* allocate(std::size_t bytes, std::size_t alignment, bool zero = false) noexcept;

    /// Gives a run back: the same address and a size that rounds to the same number of pages.
    void free(void* block, std::size_t bytes) noexcept;

    /// Makes a run longer or shorter where it stands; false if it cannot.
    bool resize(void* block, std::size_t old_bytes, std::size_t new_bytes) noexcept;

    /// Makes whole pages of blocks read as zeros and gives their memory back, whatever their
    /// protection; 0 or an errno. Where memory may be huge, what is less than a huge page is
    /// cleared instead. The arena's books do not change.
    int discard(void* address, std::size_t bytes) noexcept;

    std::size_t trim() noexcept;

    /// Backs the whole huge pages in the run by huge pages; 0 or an errno, see os::make_huge().
    int make_huge(void* block, std::size_t bytes) noexcept;
    [[nodiscard]] ArenaUsage usage() const noexcept;

    [[nodiscard]] std::span<std::byte> range() const noexcept { return memory_.bytes(); }
    [[nodiscard]] bool owns(const void* address) const noexcept {
        return reinterpret_cast<std::uintptr_t>(address) -
                   reinterpret_cast<std::uintptr_t>(memory_.data()) <
               memory_.size();
    }
    [[nodiscard]] int fd() const noexcept { return file_.get(); }
    [[nodiscard]] std::size_t page_bytes() const noexcept { return page_; }

    // For forks (arena/forks.hpp, space_fork.cpp), which hold the lock all the while:

    void lock_for_fork() noexcept { lock_.lock(); }
    void unlock_after_fork() noexcept { lock_.unlock(); }

    /// Lists what has been handed out and holds memory, and returns its bytes. Does not allocate
    /// from anybody.
    std::size_t list_for_fork() noexcept;
    [[nodiscard]] std::span<const Range> listed_for_fork() const noexcept { return listed_.all(); }

    /// What is left of memory, as this arena sees it.
    [[nodiscard]] const os::HeadroomWatch& headroom() const noexcept { return headroom_; }

    /// Whether there are blocks in use that a child must have copies of.
    [[nodiscard]] bool has_handed_out() const noexcept {
        return !private_ && handed_out_pages_ > 0;
    }

    /// Whether become_private() must copy all of it.
    [[nodiscard]] bool copies_by_hand() const noexcept;

    /// Calls `act(Range)` for what holds memory now, and did not when it was listed.
    template <class Act>
    void each_touched_since(const Act& act) noexcept {
        if (private_ || by_hand_) return;
        Ranges now;
        list_data(now);
        const std::span<const Range> before = listed_.all();
        std::size_t next = 0;
        for (Range range : now.all()) {
            while (next < before.size() && before[next].end <= range.begin) ++next;
            for (std::size_t i = next; i < before.size() && before[i].begin < range.end; ++i) {
                if (range.begin < before[i].begin) act(Range{range.begin, before[i].begin});
                range.begin = std::min(range.end, before[i].end);
            }
            if (range.begin < range.end) act(range);
        }
    }

    /// Makes other threads wait that write to what is listed; false if they cannot be made to.
    bool hold_writes() noexcept;
    void release_writes() noexcept { hold_.disarm(); }

    /// In the child: from now on this is private memory. What is listed still comes from the
    /// parent's file, see settle(). False if the kernel refuses; the child cannot go on then.
    bool become_private() noexcept;

    /// Copies what still comes from the file, so that the file is used no more. No other thread
    /// may run. False if there is no memory for it; then it still comes from the file.
    bool settle() noexcept;

    [[nodiscard]] Space* next_in_forks() const noexcept { return next_in_forks_; }
    void set_next_in_forks(Space* next) noexcept { next_in_forks_ = next; }

    /// Of freed blocks, at the most: as asked for, or less where little memory was left.
    [[nodiscard]] std::size_t kept_bytes() const noexcept { return options_.kept_bytes; }

private:
    [[nodiscard]] std::uint64_t pages_of(std::size_t bytes) const noexcept {
        return bytes / page_ + (bytes % page_ != 0 ? 1 : 0);
    }
    [[nodiscard]] std::uint64_t page_of(const void* address) const noexcept {
        return static_cast<std::uint64_t>(static_cast<const std::byte*>(address) - memory_.data()) /
               page_;
    }
    [[nodiscard]] std::byte* address_of(std::uint64_t page) const noexcept {
        return memory_.data() + page * page_;
    }
    [[nodiscard]] std::uint64_t resident_bytes() const noexcept;
    [[nodiscard]] bool is_free(Extent run) const;

    [[nodiscard]] std::uint64_t stale_before() const noexcept;
    void give_back(Extent run) const noexcept;
    [[nodiscard]] int punch(Extent run) const noexcept;
    [[nodiscard]] bool clear(Extent run) const noexcept;
    std::uint64_t give_back_whole(Extent run, std::vector<Extent>& left);
    /// What the file holds, header included; nothing if the descriptor is not the file's any more:
    /// some programs close all that they do not know, and the next file they open gets its number.
    [[nodiscard]] std::optional<std::uint64_t> file_bytes() const noexcept;
    [[nodiscard]] bool replace(Range range) const noexcept;
    bool list_data(Ranges& into) const noexcept;
    [[nodiscard]] Range range_of(Extent run) const noexcept {
        const auto begin = reinterpret_cast<std::uintptr_t>(address_of(run.first));
        return {begin, begin + static_cast<std::uintptr_t>(run.pages * page_)};
    }
    [[nodiscard]] bool map_private(Extent run, bool usable) const noexcept;

    // Under the lock:
    bool affordable(std::uint64_t fresh_bytes);
    std::optional<std::uint64_t> take(std::uint64_t pages, std::uint64_t step);
    void hand_out(Extent run);
    void drop(Extent run);
    [[nodiscard]] bool usable_in_child(Extent run) const noexcept;
    void take_back(Extent run) noexcept;
    std::uint64_t return_stale(std::uint64_t since, std::uint64_t most_pages) noexcept;
    void count_for_dumps(Extent run, bool more) noexcept;

    std::size_t page_;
    ArenaOptions options_;
    os::Fd file_;
    dev_t file_device_ = 0;
    ino_t file_number_ = 0;
    os::Mapping memory_;
    std::optional<os::GoodMemory> good_;
    Presence presence_;

    mutable std::mutex lock_;
    Extents free_;
    KeptPages kept_;
    std::uint64_t handed_out_pages_ = 0;
    os::HeadroomWatch headroom_;
    std::uint64_t credit_bytes_ = 0;  // of fresh memory, until the limits are looked at again
    std::uint64_t credit_until_ms_ = 0;
    std::vector<std::uint32_t> in_use_;  // pages handed out, for each chunk of the core dump

    bool may_be_huge_;  // then memory goes back in whole huge pages only

    bool all_usable_ = true;  // in a child: free runs are mapped to be used
    bool private_ = false;    // in a child: blocks are anonymous memory, or of a private mapping
    Ranges listed_;           // by the fork that is going on, or, in a child, what is of the file
    bool by_hand_ = false;    // in this fork: the child copies at once, since the file is lost
    bool listed_all_ = true;
    WriteHold hold_;
    Space* next_in_forks_ = nullptr;
};

}  // namespace onecopy::arena
