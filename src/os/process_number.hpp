// Telling a process from the ones it was forked from, without a system call.
#pragma once

#include <atomic>
#include <cstdint>

namespace onecopy::os {

namespace detail {
/// A word that the kernel clears in every forked child (madvise(2), MADV_WIPEONFORK, Linux 4.14).
/// Set once, by whoever asks first; null until then.
inline constinit std::atomic<std::atomic<std::uint32_t>*> wiped_word{nullptr};
std::uint32_t make_process_number() noexcept;
}  // namespace detail

/// A number that this process shares with none of its forebears: what was made under another number
/// was made before a fork. 0 if it cannot be told. Two loads. Any thread, at any time.
inline std::uint32_t process_number() noexcept {
    const auto* const word = detail::wiped_word.load(std::memory_order_acquire);
    const std::uint32_t number = word != nullptr ? word->load(std::memory_order_relaxed) : 0;
    return number != 0 ? number : detail::make_process_number();
}

}  // namespace onecopy::os
