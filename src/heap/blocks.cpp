#include "heap/blocks.hpp"

#include <sys/mman.h>

#include <bit>
#include <new>

namespace onecopy::heap {

Blocks::Blocks(std::span<const std::byte> arena, std::size_t page_bytes)
    : start_(arena.data()),
      page_shift_(static_cast<unsigned>(std::countr_zero(page_bytes))),
      memory_((arena.size() >> page_shift_) * sizeof(Entry), PROT_READ | PROT_WRITE,
              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE) {
    if (!memory_ || arena.size() >> page_shift_ > most_pages) throw std::bad_alloc();
    // A huge page of it would be 2 MiB for the first block.
    ::madvise(memory_.data(), memory_.size(), MADV_NOHUGEPAGE);
}

}  // namespace onecopy::heap
