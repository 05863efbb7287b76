#include "os/thread_ring.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <new>

#include "os/fd.hpp"

namespace onecopy::os {

/// Kernel ABI, newer than Debian 12's headers in part. Source: Linux,
/// include/uapi/linux/io_uring.h.
struct ThreadRing::Submission {
    std::uint8_t opcode = 0, flags = 0;
    std::uint16_t priority = 0;
    std::int32_t fd = -1;
    std::uint64_t offset = 0, address = 0;
    std::uint32_t length = 0, poll_events = 0;
    std::uint64_t user_data = 0, rest[3] = {};
};

namespace {

struct SubmissionOffsets {
    std::uint32_t head, tail, ring_mask, ring_entries, flags, dropped, array, reserved;
    std::uint64_t user_address;
};
struct CompletionOffsets {
    std::uint32_t head, tail, ring_mask, ring_entries, overflow, completions, flags, reserved;
    std::uint64_t user_address;
};
struct Parameters {
    std::uint32_t submission_entries, completion_entries, flags, thread_cpu, thread_idle, features,
        work_queue_fd, reserved[3];
    SubmissionOffsets submission;
    CompletionOffsets completion;
};
static_assert(sizeof(Parameters) == 120);
struct Completion {
    std::uint64_t user_data;
    std::int32_t result;
    std::uint32_t flags;
};
static_assert(sizeof(Completion) == 16);
struct Registration {
    std::uint32_t offset, reserved;
    std::uint64_t data;
};

constexpr long setup_number = 425, enter_number = 426, register_number = 427;  // everywhere
constexpr std::uint32_t completion_size = 1U << 3, taskrun_flag = 1U << 9, single_issuer = 1U << 12,
                        defer_taskrun = 1U << 13;
constexpr std::uint32_t one_mapping = 1U << 0;  // a feature: both rings in one mapping
constexpr unsigned get_events = 1U << 0, registered_ring = 1U << 4;
constexpr unsigned register_rings = 20, unregister_rings = 21;
constexpr std::uint8_t poll_add = 6, poll_remove = 7;
constexpr off_t submissions_offset = 0x10000000;
constexpr std::uint64_t nobody = ~std::uint64_t{0};  // user data of what needs no answer

bool switched_off() noexcept {
    const char* const word = std::getenv("ONECOPY_IO_URING");
    return word != nullptr && std::strcmp(word, "0") == 0;
}

}  // namespace

std::shared_ptr<ThreadRing> ThreadRing::of_this_thread() noexcept {
    thread_local std::shared_ptr<ThreadRing> mine;
    // One refusal (an old kernel, a filter, kernel.io_uring_disabled) is one for all.
    static std::atomic<bool> refused{switched_off()};
    if (mine && mine->is_ours()) return mine;
    mine.reset();  // made before a fork
    if (refused.load(std::memory_order_relaxed)) return nullptr;
    try {
        std::shared_ptr<ThreadRing> made(new ThreadRing);
        errno = 0;
        if (!made->open()) {
            const bool for_now = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
            if (!for_now) refused.store(true, std::memory_order_relaxed);
            return nullptr;
        }
        mine = std::move(made);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
    return mine;
}

bool ThreadRing::open() noexcept {
    process_ = process_number();
    state_.reset(new (std::nothrow) std::atomic<State>[slots]());
    if (process_ == 0 || !state_) return false;
    Parameters parameters{};
    parameters.flags = completion_size | taskrun_flag | single_issuer | defer_taskrun;
    parameters.completion_entries = 64;  // more at once wait in the kernel
    const Fd ring(static_cast<int>(::syscall(setup_number, 1U, &parameters)));
    if (!ring || (parameters.features & one_mapping) == 0) return false;

    ring_bytes_ = std::max<std::size_t>(
        parameters.submission.array + sizeof(std::uint32_t),
        parameters.completion.completions + parameters.completion_entries * sizeof(Completion));
    constexpr int access = PROT_READ | PROT_WRITE;
    rings_ = ::mmap(nullptr, ring_bytes_, access, MAP_SHARED | MAP_POPULATE, ring.get(), 0);
    if (rings_ == MAP_FAILED) {
        rings_ = nullptr;
        return false;
    }
    void* const entries = ::mmap(nullptr, sizeof(Submission), access, MAP_SHARED | MAP_POPULATE,
                                 ring.get(), submissions_offset);
    if (entries == MAP_FAILED) return false;
    entry_ = static_cast<Submission*>(entries);
    const auto word = [&](std::uint32_t offset) {
        return reinterpret_cast<Word*>(static_cast<char*>(rings_) + offset);
    };
    flags_ = word(parameters.submission.flags);
    submission_tail_ = word(parameters.submission.tail);
    head_ = word(parameters.completion.head);
    tail_ = word(parameters.completion.tail);
    completion_mask_ = word(parameters.completion.ring_mask)->load(std::memory_order_relaxed);
    completions_ = static_cast<const std::byte*>(rings_) + parameters.completion.completions;
    word(parameters.submission.array)->store(0, std::memory_order_relaxed);

    static std::atomic<std::uint64_t> last_thread{0};
    if (this_thread_ == 0) this_thread_ = last_thread.fetch_add(1, std::memory_order_relaxed) + 1;
    thread_ = this_thread_;
    Registration registration{~std::uint32_t{0}, 0, static_cast<std::uint64_t>(ring.get())};
    if (::syscall(register_number, ring.get(), register_rings, &registration, 1U) != 1)
        return false;
    registered_ = static_cast<int>(registration.offset);
    return true;
}

ThreadRing::~ThreadRing() {
    if (registered_ >= 0 && is_ours()) {
        Registration registration{static_cast<std::uint32_t>(registered_), 0, 0};
        ::syscall(register_number, registered_, unregister_rings | (1U << 31), &registration, 1U);
    }
    if (entry_ != nullptr) ::munmap(entry_, sizeof(Submission));
    if (rings_ != nullptr) ::munmap(rings_, ring_bytes_);
}

int ThreadRing::enter(unsigned submissions, unsigned flags) const noexcept {
    return static_cast<int>(::syscall(enter_number, registered_, submissions, 0U,
                                      flags | registered_ring, nullptr, std::size_t{0}));
}

bool ThreadRing::submit(const Submission& request) noexcept {
    *entry_ = request;
    submission_tail_->fetch_add(1, std::memory_order_release);  // the kernel reads the entry
    if (enter(1, get_events) == 1) return true;
    submission_tail_->fetch_sub(1, std::memory_order_release);  // not taken
    return false;
}

int ThreadRing::arm(int fd) noexcept {
    if (any_released_.exchange(false, std::memory_order_acquire)) {
        for (std::size_t slot = 0; slot < slots; ++slot) {
            if (state_[slot].load(std::memory_order_relaxed) == State::released) {
                remove(static_cast<int>(slot));
            }
        }
    }
    for (std::size_t tried = 0; tried < slots; ++tried) {
        const std::size_t slot = next_;
        next_ = (next_ + 1) % slots;
        if (state_[slot].load(std::memory_order_relaxed) != State::unused) continue;
        Submission request;
        request.opcode = poll_add;
        request.fd = fd;
        request.poll_events = POLLIN;
        request.user_data = slot;
        state_[slot].store(State::waiting, std::memory_order_relaxed);
        if (!submit(request)) {
            state_[slot].store(State::unused, std::memory_order_relaxed);
            return -1;
        }
        collect();
        return static_cast<int>(slot);
    }
    return -1;
}

void ThreadRing::collect() noexcept {
    // In turns: the ring has room for 64 completions, and since Linux 6.13 one call runs no more
    // than 20. Each request completes once, so there is an end to it.
    for (std::size_t turn = 0; turn < slots; ++turn) {
        const bool more = flags_->load(std::memory_order_acquire) != 0;
        const bool told = more && enter(0, get_events) >= 0;
        take();
        if (!told) return;
    }
}

void ThreadRing::take() noexcept {
    std::uint32_t head = head_->load(std::memory_order_relaxed);
    for (; head != tail_->load(std::memory_order_acquire); ++head) {
        Completion done;
        std::memcpy(&done, completions_ + (head & completion_mask_) * sizeof done, sizeof done);
        if (done.user_data >= slots) continue;
        std::atomic<State>& state = state_[static_cast<std::size_t>(done.user_data)];
        // A request that nobody waits for has ended: the slot can be used again.
        State expected = State::waiting;
        if (!state.compare_exchange_strong(expected, State::rung, std::memory_order_relaxed)) {
            state.store(State::unused, std::memory_order_relaxed);
        }
    }
    head_->store(head, std::memory_order_release);
}

void ThreadRing::remove(int slot) noexcept {
    Submission request;
    request.opcode = poll_remove;
    request.address = static_cast<std::uint64_t>(slot);
    request.user_data = nobody;
    if (submit(request)) collect();
}

void ThreadRing::release(int slot) noexcept {
    std::atomic<State>& state = state_[static_cast<std::size_t>(slot)];
    // Rung: its request has ended, nothing else will be heard of it. Else its last completion,
    // which the removal brings about, makes the slot unused.
    if (state.exchange(State::released, std::memory_order_relaxed) == State::rung) {
        state.store(State::unused, std::memory_order_relaxed);
        return;
    }
    if (is_ours()) {
        remove(slot);
    } else {
        any_released_.store(true, std::memory_order_release);
    }
}

}  // namespace onecopy::os
