// How a parent is held inside fork() until its child no longer needs it to stand still.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>

#include "arena/ranges.hpp"
#include "os/fd.hpp"
#include "os/headroom.hpp"
#include "os/lifeline.hpp"

namespace onecopy::arena {

/// Whether this process has more threads than the calling one, as far as can be known.
bool other_threads_run() noexcept;

/// One fork after another; the members are called in this order, by the thread that forks. What is
/// said here of the child happens in the child's copy of this object.
class ForkHold {
public:
    enum class Order : char { go_on = 'g', copy = 'c' };

    /// Before the fork: `bytes` of the arenas hold memory. Nothing is needed if there are none.
    /// `by_hand`: the child must copy them at once, whatever happens. `headroom`: of an arena that
    /// outlives the fork; may be null.
    void prepare(std::size_t bytes, bool by_hand, const os::HeadroomWatch* headroom) noexcept;
    /// Whether what it must copy fits into memory.
    [[nodiscard]] bool has_room() const noexcept { return room_; }

    /// In the child, whose arenas are private mappings now: tells the parent, and hears whether to
    /// copy at once.
    Order enter_child() noexcept;
    void child_has_copied() noexcept;
    /// In the child: ends it; the fork has failed.
    [[noreturn]] void give_up_child() noexcept;

    /// In the parent: stays until the child has executed, ended, or has copies of all pages. False
    /// if it had to be killed. `each_range` calls a function for each range that must be copied;
    /// `hold_writes` makes other threads' writes to them wait from now on, or says that it cannot.
    /// (Not before the fork: libc takes locks on its way that a thread may hold which waits.)
    template <class EachRange, class HoldWrites>
    bool supervise(const EachRange& each_range, const HoldWrites& hold_writes) noexcept {
        const Outcome first = meet();
        if (first != Outcome::go_on) return first == Outcome::settled;
        const Outcome outcome = watch(!threads_ || hold_writes());
        if (outcome != Outcome::copy_for_it) return outcome != Outcome::refused;
        bool all = true;
        each_range([&](const Range& range) { all = all && copy_for_child(range); });
        if (!all) kill_child("its pages cannot be reached");
        return all;
    }
    void finish() noexcept;
    /// In the parent, while the child waits to be told to go on: writes our bytes there.
    void give_child(const Range& range) const noexcept;

    /// Both sides, at the end: signals may come again.
    void let_signals_in() const noexcept;

    /// In the child, later: whether the parent still stands still for it.
    [[nodiscard]] bool our_parent_is_held() const noexcept;
    void wait_for_our_parent() const noexcept;

private:
    /// In memory that parent and child share.
    struct Shared {
        os::Lifeline parent;  ///< held by the parent until it goes on
        os::Lifeline child;   ///< held by the child's only thread
    };
    enum class Outcome { go_on, settled, copy_for_it, refused };

    [[nodiscard]] Shared* shared() const noexcept {
        return reinterpret_cast<Shared*>(shared_.data());
    }
    Outcome meet() noexcept;
    Outcome watch(bool still) noexcept;
    Outcome watch_lazily() noexcept;
    [[nodiscard]] bool fits() const noexcept;
    [[nodiscard]] bool may_copy_for_child() const noexcept;
    int write_nothing(std::uintptr_t at, std::size_t bytes) const noexcept;
    bool wait_until_gone(std::chrono::milliseconds at_most) noexcept;
    bool is_gone() noexcept;
    [[nodiscard]] bool copy_for_child(const Range& range) const noexcept;
    [[nodiscard]] bool force_same(std::uintptr_t at, std::size_t page) const noexcept;
    [[nodiscard]] bool copy_one_by_one(std::uintptr_t begin, std::size_t bytes) const noexcept;
    void kill_child(const char* why) const noexcept;
    void say(const char* why) const noexcept;
    [[nodiscard]] char receive() noexcept;

    std::size_t bytes_ = 0;
    sigset_t signals_{};  // that the forking thread had blocked
    bool threads_ = false;
    bool room_ = true;
    os::Mapping shared_;
    os::Mapping unreadable_;  // what is "written" to pages that are to be copied
    os::Fd parent_end_, child_end_;
    pid_t child_ = 0;  // or another thread of it, once its first one has ended
    os::Fd page_map_;  // the child's
    const os::HeadroomWatch* headroom_ = nullptr;
    // In a child: never unmapped, its thread's list of robust mutexes runs through it.
    std::atomic<const Shared*> of_our_parent_ = nullptr;
};

}  // namespace onecopy::arena
