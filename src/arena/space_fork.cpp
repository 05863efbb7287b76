// What becomes of an arena's pages in a fork.
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "arena/space.hpp"

namespace onecopy::arena {
namespace {

/// So much memory is twice there while a child's pages are copied.
constexpr std::size_t chunk_bytes = std::size_t{2} << 20;

}  // namespace

std::size_t Space::list_for_fork() noexcept {
    // A child's pages are private memory, and copied as such.
    if (private_) return 0;
    listed_.clear();
    listed_all_ = true;
    std::size_t bytes = 0;
    free_.each_taken({0, memory_.size() / page_}, [&](Extent run) {
        const auto end = static_cast<off_t>((run.first + run.pages) * page_);
        for (auto at = static_cast<off_t>(run.first * page_); at < end;) {
            const off_t data = ::lseek(file_.get(), at, SEEK_DATA);
            if (data < 0 || data >= end) break;
            const off_t hole = std::min(::lseek(file_.get(), data, SEEK_HOLE), end);
            if (hole <= data) break;
            const auto begin = reinterpret_cast<std::uintptr_t>(memory_.data()) +
                               static_cast<std::uintptr_t>(data);
            const auto count = static_cast<std::size_t>(hole - data);
            listed_all_ = listed_.add({begin, begin + count}) && listed_all_;
            bytes += count;
            at = hole;
        }
    });
    return bytes;
}

bool Space::hold_writes() noexcept {
    if (private_ || listed_.all().empty()) return true;
    const auto begin = reinterpret_cast<std::uintptr_t>(memory_.data());
    return hold_.arm({begin, begin + memory_.size()}, listed_.all());
}

bool Space::map_private(Extent run, bool usable) const noexcept {
    const int protection = usable ? PROT_READ | PROT_WRITE : PROT_NONE;
    return ::mmap(address_of(run.first), static_cast<std::size_t>(run.pages * page_), protection,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) != MAP_FAILED;
}

bool Space::become_private() noexcept {
    hold_.abandon();
    if (private_) return true;
    private_ = true;
    good_.reset();
    const Extent whole{0, memory_.size() / page_};
    bool good = listed_all_ && map_private(whole, false);
    free_.each_taken(whole, [&](Extent run) { good = good && map_private(run, true); });
    for (const Range& range : listed_.all()) {
        const auto offset =
            static_cast<off_t>(range.begin - reinterpret_cast<std::uintptr_t>(memory_.data()));
        good = good &&
               ::mmap(range.data(), range.bytes(), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, file_.get(), offset) != MAP_FAILED;
    }
    file_ = os::Fd{};
    presence_.abandon();
    kept_.clear();
    credit_bytes_ = 0;
    return good;
}

bool Space::settle() noexcept {
    if (!private_) return true;
    const auto base = reinterpret_cast<std::uintptr_t>(memory_.data());
    bool all = true;
    for (const Range& listed : listed_.all()) {
        const Extent pages{(listed.begin - base) / page_, listed.bytes() / page_};
        // What was freed since is no more of the file, and what was handed out again neither: to
        // copy that is needless and does no harm.
        free_.each_taken(pages, [&](Extent run) {
            const Range range = range_of(run);
            for (std::uintptr_t at = range.begin; at < range.end; at += chunk_bytes) {
                const std::size_t bytes = std::min<std::size_t>(range.end - at, chunk_bytes);
                os::Mapping copy(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
                auto* const place = reinterpret_cast<std::byte*>(at);
                if (!copy) {
                    all = false;
                    continue;
                }
                std::memcpy(copy.data(), place, bytes);
                if (::mremap(copy.data(), bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, place) ==
                    MAP_FAILED) {
                    all = false;
                    continue;
                }
                (void)copy.release();
            }
        });
    }
    if (all) listed_.clear();
    return all;
}

}  // namespace onecopy::arena
