// What came from where, for ONECOPY_HEAP_STATS=1.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace onecopy::heap {

/// Why a large block did not come from the arena.
enum class Reason { no_headroom, limits, another_malloc, no_arena };
inline constexpr std::size_t reasons = 4;

/// For a person: "no headroom: ...".
const char* text_of(Reason reason) noexcept;

/// Counts for one process. Any number of threads; nobody orders anything by them. Where they are
/// not switched on, counting is a look at a flag.
class Statistics {
public:
    constexpr Statistics() noexcept = default;

    void switch_on() noexcept { on_ = true; }
    [[nodiscard]] bool on() const noexcept { return on_; }

    void handed_out(std::size_t bytes) noexcept {
        if (on_) count_handed_out(bytes);
    }
    void taken_back(std::size_t bytes) noexcept {
        if (on_) in_use_.fetch_sub(bytes, std::memory_order_relaxed);
    }
    void resized(std::size_t before, std::size_t after) noexcept {
        if (on_) count_in_use(after - before);
    }
    void passed_on(Reason reason, std::size_t bytes) noexcept;
    void returned(std::size_t bytes) noexcept {
        if (on_) returned_.fetch_add(bytes, std::memory_order_relaxed);
    }

    /// For a child by fork: it has its parent's blocks, and has done nothing yet.
    void start_over() noexcept;

    /// Says all in a few lines, on standard error.
    void tell(std::size_t threshold_bytes) const noexcept;

private:
    struct Count {
        std::atomic<std::uint64_t> blocks{0}, bytes{0};
        void add(std::size_t more) noexcept {
            blocks.fetch_add(1, std::memory_order_relaxed);
            bytes.fetch_add(more, std::memory_order_relaxed);
        }
    };
    void count_handed_out(std::size_t bytes) noexcept;
    void count_in_use(std::size_t more) noexcept;

    bool on_ = false;
    Count arena_;
    std::array<Count, reasons> passed_;
    std::atomic<std::uint64_t> in_use_{0}, most_in_use_{0}, returned_{0};
};

}  // namespace onecopy::heap
