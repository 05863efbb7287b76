#include "os/process_number.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

namespace onecopy::os::detail {
namespace {

/// The wiped word; null if there can be none. Never unmapped.
std::atomic<std::uint32_t>* find_word() noexcept {
    std::atomic<std::uint32_t>* word = wiped_word.load(std::memory_order_acquire);
    if (word != nullptr) return word;
    const auto bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* const page =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return nullptr;
    auto* const made = new (page) std::atomic<std::uint32_t>(0);
    if (::madvise(page, bytes, MADV_WIPEONFORK) == 0 &&
        wiped_word.compare_exchange_strong(word, made, std::memory_order_acq_rel)) {
        return made;
    }
    ::munmap(page, bytes);
    return word;  // another thread's, or null
}

}  // namespace

std::uint32_t make_process_number() noexcept {
    static constinit std::atomic<std::uint32_t> last{0};  // a child goes on from its parent's
    std::atomic<std::uint32_t>* const word = find_word();
    if (word == nullptr) return 0;
    std::uint32_t number = word->load(std::memory_order_relaxed);
    if (number != 0) return number;
    const std::uint32_t next = last.fetch_add(1, std::memory_order_relaxed) + 1;
    return word->compare_exchange_strong(number, next, std::memory_order_relaxed) ? next : number;
}

}  // namespace onecopy::os::detail
