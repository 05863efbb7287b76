#include "os/ready_flag.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <new>

#include "os/fd.hpp"

namespace onecopy::os {
namespace {

/// Kernel ABI, newer than Debian 12's headers in part. Source: Linux,
/// include/uapi/linux/io_uring.h.
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
struct Submission {
    std::uint8_t opcode, flags;
    std::uint16_t priority;
    std::int32_t fd;
    std::uint64_t offset, address;
    std::uint32_t length, poll_events;
    std::uint64_t user_data, rest[3];
};
static_assert(sizeof(Submission) == 64);

constexpr long setup_number = 425;  // the same on every architecture
constexpr long enter_number = 426;
constexpr std::uint32_t taskrun_flag = 1U << 9, single_issuer = 1U << 12, defer_taskrun = 1U << 13;
constexpr std::uint32_t one_mapping = 1U << 0;  // a feature: both rings in one mapping
constexpr std::uint8_t poll_add = 6;
constexpr std::size_t completion_bytes = 16;
constexpr off_t submissions_offset = 0x10000000;

/// A word that the kernel clears in every forked child; nullptr if there can be none. Never
/// unmapped.
std::atomic<std::uint32_t>* wiped_word() noexcept {
    static std::atomic<std::atomic<std::uint32_t>*> known{nullptr};
    std::atomic<std::uint32_t>* word = known.load(std::memory_order_acquire);
    if (word != nullptr) return word;
    const auto bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* page = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return nullptr;
    auto* const made = new (page) std::atomic<std::uint32_t>(0);
    if (::madvise(page, bytes, MADV_WIPEONFORK) == 0 &&  // Linux 4.14
        known.compare_exchange_strong(word, made, std::memory_order_acq_rel)) {
        return made;
    }
    ::munmap(page, bytes);
    return word;
}

/// This process's number among its forebears, held in the wiped word: the flags that a child
/// inherits carry another one. Any thread may be the first to set it.
std::uint32_t number_of_this_process(std::atomic<std::uint32_t>& word) noexcept {
    static std::atomic<std::uint32_t> last{0};  // a child goes on from its parent's
    std::uint32_t number = word.load(std::memory_order_relaxed);
    if (number != 0) return number;
    const std::uint32_t next = last.fetch_add(1, std::memory_order_relaxed) + 1;
    return word.compare_exchange_strong(number, next, std::memory_order_relaxed) ? next : number;
}

}  // namespace

bool ReadyFlag::arm(int fd) noexcept {
    // One refusal (an old kernel, a filter, kernel.io_uring_disabled) is one for all.
    static std::atomic<bool> refused{false};
    if (refused.load(std::memory_order_relaxed)) return false;
    std::atomic<std::uint32_t>* const process = wiped_word();
    if (process == nullptr) return false;

    Parameters parameters{};
    parameters.flags = taskrun_flag | single_issuer | defer_taskrun;
    const Fd ring(static_cast<int>(::syscall(setup_number, 1U, &parameters)));
    if (!ring || (parameters.features & one_mapping) == 0) {
        if (ring || (errno != EMFILE && errno != ENFILE && errno != ENOMEM)) {
            refused.store(true, std::memory_order_relaxed);
        }
        return false;
    }
    const std::size_t bytes = std::max<std::size_t>(
        parameters.submission.array + sizeof(std::uint32_t),
        parameters.completion.completions + parameters.completion_entries * completion_bytes);
    constexpr int access = PROT_READ | PROT_WRITE;
    void* const rings = ::mmap(nullptr, bytes, access, MAP_SHARED | MAP_POPULATE, ring.get(), 0);
    if (rings == MAP_FAILED) return false;
    void* const entries = ::mmap(nullptr, sizeof(Submission), access, MAP_SHARED | MAP_POPULATE,
                                 ring.get(), submissions_offset);
    if (entries == MAP_FAILED) {
        ::munmap(rings, bytes);
        return false;
    }
    const auto word = [&](std::uint32_t offset) {
        return reinterpret_cast<Word*>(static_cast<char*>(rings) + offset);
    };
    Submission request{};
    request.opcode = poll_add;
    request.fd = fd;
    request.poll_events = POLLIN;
    *static_cast<Submission*>(entries) = request;
    word(parameters.submission.array)->store(0, std::memory_order_relaxed);
    word(parameters.submission.tail)->store(1, std::memory_order_release);  // the kernel reads it
    const long taken = ::syscall(enter_number, ring.get(), 1U, 0U, 0U, nullptr, std::size_t{0});
    ::munmap(entries, sizeof(Submission));
    if (taken != 1) {
        ::munmap(rings, bytes);
        return false;
    }
    // The mapping keeps the ring: its descriptor is not needed any more.
    rings_ = rings;
    ring_bytes_ = bytes;
    process_ = process;
    number_ = number_of_this_process(*process);
    flags_ = word(parameters.submission.flags);
    tail_ = word(parameters.completion.tail);
    static std::atomic<std::uint64_t> last_thread{0};
    if (this_thread_ == 0) this_thread_ = last_thread.fetch_add(1, std::memory_order_relaxed) + 1;
    thread_.store(this_thread_, std::memory_order_release);
    return true;
}

ReadyFlag::~ReadyFlag() {
    if (rings_ != nullptr) ::munmap(rings_, ring_bytes_);
}

}  // namespace onecopy::os
