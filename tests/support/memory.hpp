// Memory for tests: pages of every kind at known places, and bytes that can be told apart.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

namespace onecopy::test {

/// The size of a page here.
extern const std::size_t page;

/// What a page of a layout is. A hole is not mapped at all.
enum class Page { writable, read_only, no_access, write_only, exec_only, hole };

/// Owns a mapping. Mappings of tests lie in a part of the address space that mmap() does not choose
/// by itself, with gaps between them: a hole stays a hole in this process and in all its children.
class Memory {
public:
    /// Writable zero pages that hold at least `bytes`; not touched yet.
    explicit Memory(std::size_t bytes);
    /// A page for each, filled with pattern `seed` before it was protected.
    Memory(std::initializer_list<Page> layout, unsigned seed);
    /// mmap(2) with these arguments. Throws std::system_error when it fails.
    Memory(std::size_t bytes, int protection, int flags, int fd);
    ~Memory();
    Memory(Memory&& other) noexcept;
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    [[nodiscard]] std::byte* data() const noexcept { return data_; }
    [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::uint64_t address(std::uint64_t offset = 0) const noexcept {
        return reinterpret_cast<std::uintptr_t>(data_) + offset;
    }
    [[nodiscard]] std::span<std::byte> span() const noexcept { return {data_, bytes_}; }
    [[nodiscard]] std::span<std::byte> span(std::uint64_t offset,
                                            std::uint64_t count) const noexcept {
        return {data_ + offset, static_cast<std::size_t>(count)};
    }

    /// The pages of all layouts that are alive: where they are, and which of them can be written.
    struct LaidOut {
        std::byte* page;
        bool writable;
    };
    static std::vector<LaidOut> all_laid_out();

    /// Turns page `index` into one of this kind, for good.
    void protect(std::size_t index, Page kind) const;

private:
    std::byte* data_ = nullptr;
    std::size_t bytes_ = 0;
    std::vector<Page> layout_;
};

/// Byte `index` of the pattern `seed`: differs between neighbours, pages and seeds.
constexpr std::byte pattern(unsigned seed, std::uint64_t index) noexcept {
    std::uint64_t x = (index + 1) * 0x9e3779b97f4a7c15U + seed * 0xbf58476d1ce4e5b9U;
    x ^= x >> 29;
    return static_cast<std::byte>(x * 0x94d049bb133111ebU >> 56);
}

/// Writes the pattern, beginning with byte `first` of it.
void fill(std::span<std::byte> bytes, unsigned seed, std::uint64_t first = 0) noexcept;

/// Where `bytes` first differs from the pattern; its size when it does not.
std::size_t first_difference(std::span<const std::byte> bytes, unsigned seed,
                             std::uint64_t first = 0) noexcept;

}  // namespace onecopy::test
