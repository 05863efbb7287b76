// An io_uring of one thread that only ever waits: for descriptors to become readable.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "os/process_number.hpp"

namespace onecopy::os {

/// The ring is told to run its completions only when its thread asks for them, and to say in its
/// flags when there are any: the kernel sets that bit in shared memory inside the wake-up itself,
/// in the context of whoever makes a descriptor readable. Nothing is sent to the thread: no signal,
/// no interrupted system call. (That is why there is one ring a thread, which lives as long as the
/// thread: taking a ring down sends its thread such an interruption.) No descriptor is kept open:
/// the thread has the ring registered, and a mapping.
///
/// Everything is for the ring's own thread but release(), and pending() and rung() for whoever
/// knows that the thread is not at work in here. Source: io_uring_setup(2),
/// IORING_SETUP_DEFER_TASKRUN and IORING_SETUP_TASKRUN_FLAG (Linux 6.1); io_uring_register(2),
/// IORING_REGISTER_RING_FDS.
class ThreadRing {
public:
    static constexpr std::size_t slots = 4096;

    /// The calling thread's, made at its first use, about 25 us and 30 KiB of the kernel's memory.
    /// Null where the kernel has no such ring or forbids it, or ONECOPY_IO_URING=0 does.
    static std::shared_ptr<ThreadRing> of_this_thread() noexcept;

    /// Waits for `fd`, which need not stay open. The number of the slot, or -1. About 1 us.
    int arm(int fd) noexcept;

    /// Whether something happened that collect() would tell of.
    [[nodiscard]] bool pending() const noexcept {
        // The kernel writes both: a bit inside a wake-up, the tail when it completes a request.
        return flags_->load(std::memory_order_acquire) != 0 ||
               tail_->load(std::memory_order_acquire) != head_->load(std::memory_order_relaxed);
    }

    /// Whether the descriptor of that slot has become readable, as far as was collected.
    [[nodiscard]] bool rung(int slot) const noexcept {
        return state_[static_cast<std::size_t>(slot)].load(std::memory_order_relaxed) !=
               State::waiting;
    }

    /// Takes in all that happened before; pending() afterwards if the kernel would not tell.
    void collect() noexcept;

    /// The slot is not needed any more. Any thread: another one's word is taken at the next arm().
    void release(int slot) noexcept;

    /// Whether the calling thread is the ring's, in the process that made it.
    [[nodiscard]] bool is_ours() const noexcept {
        return thread_ == this_thread_ && thread_ != 0 && process_ == process_number();
    }

    ~ThreadRing();
    ThreadRing(const ThreadRing&) = delete;
    ThreadRing& operator=(const ThreadRing&) = delete;

private:
    using Word = std::atomic<std::uint32_t>;
    struct Submission;
    /// `released` is stored by any thread; everything else by the ring's own.
    enum class State : std::uint8_t { unused, waiting, rung, released };

    ThreadRing() noexcept = default;
    bool open() noexcept;
    bool submit(const Submission& request) noexcept;
    int enter(unsigned submissions, unsigned flags) const noexcept;
    void take() noexcept;
    void remove(int slot) noexcept;

    /// The thread's number, given to no other thread. (An address would not do: a later thread's
    /// may be the same.)
    static inline thread_local std::uint64_t this_thread_ = 0;

    std::uint64_t thread_ = 0;
    std::uint32_t process_ = 0;
    int registered_ = -1;  // the number under which the thread has the ring registered
    void* rings_ = nullptr;
    std::size_t ring_bytes_ = 0;
    Submission* entry_ = nullptr;
    Word *flags_ = nullptr, *submission_tail_ = nullptr, *head_ = nullptr, *tail_ = nullptr;
    const std::byte* completions_ = nullptr;
    std::uint32_t completion_mask_ = 0;
    std::size_t next_ = 0;  // where the search for an unused slot goes on
    std::atomic<bool> any_released_ = false;
    std::unique_ptr<std::atomic<State>[]> state_;
};

}  // namespace onecopy::os
