// What a fork does to the arenas of its process.
//
// A child must have its own copy of its parent's memory, as it has of private memory, and no flag
// of the kernel gives that for a shared mapping. Most children execute another program at once and
// need no copy, so it is made as late as it can be:
//
//   before   The locks of all arenas are taken, after everybody else's handlers have taken theirs,
//            and the blocks that hold memory are listed.
//   child    Maps those parts of the file privately, anonymous memory for all the rest, and goes
//            on. A private page shows the file's until somebody writes: nothing is copied yet.
//   parent   Is held inside fork(). As long as it writes nothing, its child sees what was there at
//            the fork; its other threads' writes to those blocks wait (WriteHold). Most often the
//            child executes or exits within a millisecond (a Lifeline tells), and that was all. If
//            not, the parent makes the kernel copy every page for the child, which may go on and
//            write meanwhile. Where that is not permitted, or other threads could write, the child
//            copies itself before its fork() returns.
//   no room  If the copies do not fit into memory the parent waits longer. A child that neither
//            executes nor ends for ten seconds is killed, with a line, and the fork has failed:
//            fork_was_refused().
//
// Only fork() does this. vfork, posix_spawn, system and popen share their parent's memory until
// they execute, and need nothing; _Fork and a raw clone run no handlers: such a child shares the
// arena with its parent and must do nothing but execute or exit.
//
// Source: pthread_atfork(3), fork(2), process_vm_writev(2), userfaultfd(2).
#pragma once

#include <atomic>

namespace onecopy::arena {

/// Something that must know of forks, between enter_forks() at the end of its constructor and
/// leave_forks() at the start of its destructor: another thread may fork at any moment.
class ForkAware {
public:
    ForkAware() = default;
    ForkAware(const ForkAware&) = delete;
    ForkAware& operator=(const ForkAware&) = delete;

    /// Takes the lock, which the parent gives back in after_fork(), the child in in_child(). No
    /// other lock of ours may be taken inside of it but by an arena. Must not allocate, all three.
    virtual void before_fork() noexcept {}
    virtual void after_fork() noexcept {}
    /// In the child, which has one thread: lets go of what belongs to the parent.
    virtual void in_child() noexcept = 0;

protected:
    virtual ~ForkAware() = default;
    void enter_forks();
    void leave_forks() noexcept;

private:
    friend struct ForkList;
    ForkAware* next_ = nullptr;
};

class Space;

/// Registers the handlers, once; done by the first arena too. They hold the locks of arenas from
/// before the fork until after it: whoever takes locks of his own around calls of an arena must
/// call this first and register his handlers then, so that his lock is taken before ours.
void watch_forks();

/// From now on forks look after `space`.
void enter_forks(Space& space);
void leave_forks(Space& space) noexcept;

/// In a child: waits while its parent stands still for it, since the parent is copying what is
/// mapped here as it was; before mappings inside an arena are changed.
void wait_for_our_parent() noexcept;

/// In a child: whether it does.
bool our_parent_is_held() noexcept;

/// Whether the calling thread's last fork() ended with its child killed for want of memory. For who
/// wraps fork() and can return ENOMEM.
bool fork_was_refused() noexcept;

/// Whether the calling thread runs on a stack inside an arena: such a thread must not fork, since
/// parent and child would run on one stack.
bool on_an_arena_stack() noexcept;

/// Set in a child that still maps its parent's file, until it is settled.
inline constinit std::atomic<bool> unsettled{false};

void settle_now() noexcept;

/// In such a child: copies, so that the file can go when its owners have ended. Does nothing
/// elsewhere, or while the parent still is held, or if other threads run. To be called now and
/// then; a load where there is nothing to do.
inline void settle_after_fork() noexcept {
    if (unsettled.load(std::memory_order_relaxed)) [[unlikely]]
        settle_now();
}

}  // namespace onecopy::arena
