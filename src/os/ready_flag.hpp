// A word of our own memory that the kernel sets when a descriptor becomes readable: asking whether
// it is readable then costs no system call.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace onecopy::os {

/// A poll request waits in an io_uring made for it alone. The ring is told to run its completions
/// only when its owner asks for them (nobody ever does) and to say so in its flags: the kernel sets
/// that bit in shared memory inside the wake-up itself, in the context of whoever makes the
/// descriptor readable. Nothing is sent to the owner: no signal, no interrupted system call.
///
/// What becomes of the request when the thread that made it ends is the kernel's affair, and has
/// changed: so quiet() is answered to that thread alone. Others, and forked children, get false and
/// must ask the kernel.
///
/// Source: io_uring_setup(2), IORING_SETUP_DEFER_TASKRUN and IORING_SETUP_TASKRUN_FLAG (Linux 6.1).
class ReadyFlag {
public:
    ReadyFlag() noexcept = default;
    ~ReadyFlag();
    ReadyFlag(const ReadyFlag&) = delete;
    ReadyFlag& operator=(const ReadyFlag&) = delete;

    /// Arms it for the calling thread, once in its life, about 25 us; `fd` need not stay open.
    /// False where the kernel has no such ring or forbids it: quiet() stays false. Not by two
    /// threads at once; at the same time as quiet() it may.
    bool arm(int fd) noexcept;

    /// True: `fd` has not become readable before this call. False: it may have; ask.
    [[nodiscard]] bool quiet() const noexcept {
        // Written by arm() in this very thread if it is ours: no ordering is needed to read on.
        if (thread_.load(std::memory_order_relaxed) != this_thread_) return false;
        // Another number in a forked child, whose threads may sit at the same addresses.
        if (process_->load(std::memory_order_relaxed) != number_) return false;
        // The kernel writes both: the bit inside the wake-up, the tail when the request ended.
        const auto flags = flags_->load(std::memory_order_acquire);
        return (flags & work_pending) == 0 && tail_->load(std::memory_order_acquire) == 0;
    }

private:
    using Word = std::atomic<std::uint32_t>;
    static constexpr std::uint32_t work_pending = 1U << 2;  // IORING_SQ_TASKRUN

    /// The thread's number, given when it arms its first flag and never to another thread. (Its
    /// address would not do: a later thread's may be the same.)
    static inline thread_local std::uint64_t this_thread_ = 0;

    std::atomic<std::uint64_t> thread_ =
        ~std::uint64_t{0};           // stored once, by arm(), after the rest
    const Word* process_ = nullptr;  // holds number_ in the process that armed it
    std::uint32_t number_ = 0;
    const Word* flags_ = nullptr;
    const Word* tail_ = nullptr;
    void* rings_ = nullptr;
    std::size_t ring_bytes_ = 0;
};

}  // namespace onecopy::os
