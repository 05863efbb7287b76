#include "support/memory.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>

namespace onecopy::test {

const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));

namespace {

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE 0x100000
#endif

/// mmap() fills from the top and programs start elsewhere: nobody comes here by himself. The place
/// suits the sanitizers' maps too.
constexpr std::uintptr_t first_place =
    sizeof(void*) == 8 ? static_cast<std::uintptr_t>(0x550000000000ULL) : 0x40000000U;
constexpr std::size_t gap_pages = 16;

std::size_t whole_pages(std::size_t bytes) noexcept { return (bytes + page - 1) / page * page; }

std::byte* map_apart(std::size_t bytes, int protection, int flags, int fd) {
    static std::atomic<std::uintptr_t> next{first_place};
    // Huge pages want their own alignment.
    constexpr std::size_t alignment = std::size_t{2} << 20;
    const std::size_t place = (flags & MAP_HUGETLB) != 0 ? alignment : page;
    const std::size_t room = whole_pages(bytes) + gap_pages * page + place;
    const std::uintptr_t at = (next.fetch_add(room) + place - 1) / place * place;
    void* mapped =
        ::mmap(reinterpret_cast<void*>(at), bytes, protection, flags | MAP_FIXED_NOREPLACE, fd, 0);
    if (mapped == MAP_FAILED && (errno == EEXIST || errno == EINVAL)) {
        mapped = ::mmap(nullptr, bytes, protection, flags, fd, 0);
    }
    if (mapped == MAP_FAILED) throw std::system_error(errno, std::system_category(), "mmap");
    return static_cast<std::byte*>(mapped);
}

int protection_of(Page kind) noexcept {
    switch (kind) {
        case Page::writable:
            return PROT_READ | PROT_WRITE;
        case Page::read_only:
            return PROT_READ;
        case Page::write_only:
            return PROT_WRITE;
        case Page::exec_only:
            return PROT_EXEC;
        default:
            return PROT_NONE;
    }
}

/// All memories with a layout. Tests make them in one thread.
std::vector<const Memory*>& layouts() {
    static std::vector<const Memory*> list;
    return list;
}

}  // namespace

Memory::Memory(std::size_t bytes)
    : Memory(whole_pages(bytes), PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1) {}

Memory::Memory(std::initializer_list<Page> layout, unsigned seed) : Memory(layout.size() * page) {
    layout_ = layout;
    layouts().push_back(this);
    fill(span(), seed);
    std::size_t index = 0;
    for (const Page kind : layout) protect(index++, kind);
}

Memory::Memory(std::size_t bytes, int protection, int flags, int fd)
    : data_(map_apart(bytes, protection, flags, fd)), bytes_(bytes) {}

Memory::~Memory() {
    std::erase(layouts(), this);
    if (data_ != nullptr) ::munmap(data_, bytes_);
}

Memory::Memory(Memory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      bytes_(std::exchange(other.bytes_, 0)),
      layout_(std::move(other.layout_)) {
    std::replace(layouts().begin(), layouts().end(), const_cast<const Memory*>(&other),
                 const_cast<const Memory*>(this));
}

std::vector<Memory::LaidOut> Memory::all_laid_out() {
    std::vector<LaidOut> all;
    for (const Memory* memory : layouts()) {
        for (std::size_t i = 0; i < memory->layout_.size(); ++i) {
            all.push_back({memory->data_ + i * page, memory->layout_[i] == Page::writable});
        }
    }
    return all;
}

void Memory::protect(std::size_t index, Page kind) const {
    void* const at = data_ + index * page;
    const int failed =
        kind == Page::hole ? ::munmap(at, page) : ::mprotect(at, page, protection_of(kind));
    if (failed != 0) throw std::system_error(errno, std::system_category(), "mprotect");
}

void fill(std::span<std::byte> bytes, unsigned seed, std::uint64_t first) noexcept {
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = pattern(seed, first + i);
}

std::size_t first_difference(std::span<const std::byte> bytes, unsigned seed,
                             std::uint64_t first) noexcept {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (bytes[i] != pattern(seed, first + i)) return i;
    }
    return bytes.size();
}

}  // namespace onecopy::test
