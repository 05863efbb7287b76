#include "os/touch.hpp"

#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

namespace onecopy::os {
namespace {

constexpr int populate_read = 22;  // absent in headers older than 5.14
constexpr int populate_write = 23;

/// Touches one page through the kernel, which answers EFAULT instead of sending a signal.
bool touch_page(std::uintptr_t page, Touch how) noexcept {
    auto* const word = reinterpret_cast<std::uint32_t*>(page);
    if (how == Touch::write) {
        // An atomic "or 0" made by the kernel: a store that changes nothing whoever else writes.
        // ("Private", or the kernel would have to pin the page, which secret memory refuses.)
        std::uint32_t nobody_waits_here = 0;
        constexpr unsigned or_nothing = FUTEX_OP(FUTEX_OP_OR, 0, FUTEX_OP_CMP_LT, 0x800);
        return ::syscall(SYS_futex, &nobody_waits_here, FUTEX_WAKE_OP_PRIVATE, 1, nullptr, word,
                         or_nothing) >= 0 ||
               errno != EFAULT;
    }
    // A signal mask to be applied in no known way: the kernel reads it first, and then refuses.
    // (Nothing that waits, as a futex would: another thread's wake-up could be lost on us.)
    constexpr int no_way = -1;
    // (Not the page's first bytes: a mask at address 0 means none.)
    ::syscall(SYS_rt_sigprocmask, no_way, word + 2, nullptr, sizeof(std::uint64_t));
    return errno != EFAULT;
}

}  // namespace

std::size_t touchable(const void* address, std::size_t bytes, Touch how) noexcept {
    if (bytes == 0) return 0;
    const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
    const auto start = reinterpret_cast<std::uintptr_t>(address);
    const std::uintptr_t first = start & ~(page - 1);
    bytes = std::min<std::uintptr_t>(bytes, UINTPTR_MAX - start);
    if (::madvise(reinterpret_cast<void*>(first), start + bytes - first,
                  how == Touch::write ? populate_write : populate_read) == 0) {
        return bytes;
    }
    // Something in there cannot be populated, or the kernel knows no such advice: page by page.
    for (std::uintptr_t at = first; at < start + bytes; at += page) {
        if (!touch_page(at, how)) return at < start ? 0 : at - start;
    }
    return bytes;
}

}  // namespace onecopy::os
