#include "heap/heap.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "os/coarse_clock.hpp"
#include "os/no_cancel.hpp"

namespace onecopy::heap {
namespace {

/// How long a block stays in `Recent`. Afterwards the Space keeps it for its own time.
constexpr std::uint64_t recent_ms = 250;

/// The Space returns what is old when it is called. Where `Recent` serves everything it would not
/// be: then a block goes there this often.
constexpr std::uint64_t space_every_ms = 100;

/// Asking the Space costs some 20 us where the limits are reached. So long a refusal holds for all
/// that is not shorter.
constexpr std::uint64_t refusal_ms = 50;

/// Half of what may be kept is the Space's share, half that of `Recent`.
ArenaOptions half_kept(ArenaOptions options) {
    options.kept_bytes /= 2;
    return options;
}

/// For calls of the Space: its questions to the kernel are cancellation points and set errno,
/// malloc and free are none and do not.
class Unnoticed {
public:
    Unnoticed() noexcept : error_(errno) {}
    ~Unnoticed() { errno = error_; }
    Unnoticed(const Unnoticed&) = delete;
    Unnoticed& operator=(const Unnoticed&) = delete;

private:
    int error_;
    os::NoCancel no_cancel_;
};

}  // namespace

Heap::Heap(const ArenaOptions& options)
    : space_(half_kept(options)),
      blocks_(space_.range(), space_.page_bytes()),
      recent_(space_.kept_bytes() / space_.page_bytes(), recent_ms) {}

void* Heap::allocate(std::size_t bytes, std::size_t alignment, bool zero,
                     std::size_t spare_bytes) noexcept {
    const std::size_t most = space_.range().size();
    if (bytes > most) return nullptr;
    const std::uint64_t asked = std::max<std::uint64_t>(pages_of(bytes), 1);
    std::uint64_t pages = asked + pages_of(std::min(spare_bytes, most - bytes));
    void* block = allocate_pages(pages, alignment, zero);
    if (block == nullptr && pages > asked) {
        pages = asked;
        block = allocate_pages(pages, alignment, zero);
    }
    if (block != nullptr) {
        blocks_.set(block, {static_cast<std::uint32_t>(pages), static_cast<std::uint32_t>(asked)});
    }
    return block;
}

void* Heap::allocate_pages(std::uint64_t pages, std::size_t alignment, bool zero) noexcept {
    const auto bytes = static_cast<std::size_t>(pages * space_.page_bytes());
    void* block = nullptr;
    {
        const std::lock_guard guard(lock_);
        block = recent_.take(pages, alignment);
        if (block == nullptr && refused_bytes_ != 0) {
            if (os::coarse_ms() >= refused_until_ms_) {
                refused_bytes_ = 0;
            } else if (bytes >= refused_bytes_) {
                return nullptr;
            }
        }
    }
    if (block == nullptr) return from_space(bytes, alignment, zero);
    if (zero) std::memset(block, 0, bytes);
    return block;
}

void* Heap::from_space(std::size_t bytes, std::size_t alignment, bool zero) noexcept {
    const Unnoticed unnoticed;
    void* block = space_.allocate(bytes, alignment, zero);
    if (block != nullptr) return block;
    // What `Recent` holds is memory that the Space could give back, or a hole that is large enough.
    if (empty_recent()) block = space_.allocate(bytes, alignment, zero);
    if (block == nullptr) {
        const std::lock_guard guard(lock_);
        refused_bytes_ = refused_bytes_ == 0 ? bytes : std::min(bytes, refused_bytes_);
        refused_until_ms_ = os::coarse_ms() + refusal_ms;
    }
    return block;
}

void Heap::to_space(FreedBlock block) noexcept {
    const Unnoticed unnoticed;
    space_.free(block.address, static_cast<std::size_t>(block.pages * space_.page_bytes()));
}

std::size_t Heap::free(void* address) noexcept {
    const std::uint64_t pages = blocks_.take(address).pages;
    if (pages == 0) return 0;
    const std::uint64_t now = os::coarse_ms();
    bool kept = false;
    for (;;) {
        std::optional<FreedBlock> surplus;
        {
            const std::lock_guard guard(lock_);
            surplus = recent_.take_surplus(kept ? 0 : pages, now);
            if (!surplus && !kept) {
                kept =
                    now < space_called_ms_ + space_every_ms && recent_.put({address, pages}, now);
                if (!kept) surplus = FreedBlock{address, pages};
                kept = true;
            }
            if (surplus) space_called_ms_ = now;
        }
        if (!surplus) break;
        to_space(*surplus);
    }
    return static_cast<std::size_t>(pages * space_.page_bytes());
}

bool Heap::resize(void* block, std::size_t bytes) noexcept {
    if (bytes > space_.range().size()) return false;
    const auto asked = static_cast<std::uint32_t>(std::max<std::uint64_t>(pages_of(bytes), 1));
    const BlockPages before = blocks_.at(block);
    if (asked >= before.asked && asked <= before.pages) {
        blocks_.set(block, {before.pages, asked});
        return true;
    }
    const Unnoticed unnoticed;
    if (!space_.resize(block, before.pages * space_.page_bytes(), bytes)) return false;
    blocks_.set(block, {asked, asked});
    return true;
}

bool Heap::empty_recent() noexcept {
    bool any = false;
    for (;;) {
        std::optional<FreedBlock> oldest;
        {
            const std::lock_guard guard(lock_);
            oldest = recent_.take_oldest();
        }
        if (!oldest) return any;
        to_space(*oldest);
        any = true;
    }
}

std::size_t Heap::trim() noexcept {
    empty_recent();
    const Unnoticed unnoticed;
    return space_.trim();
}

}  // namespace onecopy::heap
