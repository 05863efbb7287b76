// A word of our own memory that the kernel sets when a descriptor becomes readable: asking whether
// it is readable then costs no system call.
#pragma once

#include <atomic>
#include <memory>

#include "os/thread_ring.hpp"

namespace onecopy::os {

/// One descriptor watched by the ring of the thread that armed the flag. Answers that thread alone;
/// others, and forked children, must ask the kernel.
class ReadyFlag {
public:
    ReadyFlag() noexcept = default;
    /// By any thread.
    ~ReadyFlag();
    ReadyFlag(const ReadyFlag&) = delete;
    ReadyFlag& operator=(const ReadyFlag&) = delete;

    /// Arms it for the calling thread, once in its life; `fd` need not stay open. A microsecond,
    /// the thread's first one 25. False where the kernel has no such ring or forbids it: quiet()
    /// stays false. Not by two threads at once; at the same time as quiet() it may.
    bool arm(int fd) noexcept;

    /// True: the kernel has not woken those who wait for `fd` to become readable, before this call.
    /// (It does so for a pidfd before the pid can be free. poll() may know some microseconds
    /// sooner.) False: it may have; ask.
    [[nodiscard]] bool quiet() const noexcept {
        // Stored by arm() after the slot. Of another thread's ring only the number is looked at.
        const ThreadRing* const ring = armed_.load(std::memory_order_acquire);
        return ring != nullptr && ring->is_ours() && !ring->pending() && !ring->rung(slot_);
    }

    /// Takes in what the thread's ring has to tell, of this flag and others; true if that was all,
    /// this one was not among them, and the calling thread is its own.
    bool still_quiet() const noexcept;

private:
    std::shared_ptr<ThreadRing> ring_;
    int slot_ = -1;
    std::atomic<const ThreadRing*> armed_ = nullptr;  // ring_, once armed
};

}  // namespace onecopy::os
