// Memory that other processes can map: with it a peer copies at memcpy's speed, without a system
// call and without a kernel module.
//
// An arena is one sparse file in memory, mapped once, from which blocks are handed out. Who holds
// its descriptor maps the parts it needs (include/onecopy/attachment.hpp). Nothing has a name: when
// the last process that has it ends, however it ends, the memory is gone.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <memory_resource>
#include <new>
#include <span>
#include <system_error>

namespace onecopy {

namespace arena {
class Space;
}

struct ArenaOptions {
    /// Bytes of address space, rounded up to whole pages: what can be handed out at once. It costs
    /// nothing until it is used. 0: what the machine has as memory, or less where a limit of the
    /// process (ulimit -v, ulimit -f) leaves less.
    std::size_t capacity_bytes = 0;

    /// Memory of freed blocks that is kept for the next ones, at the most; fresh memory costs 2.5
    /// to 4.5 us a page.
    std::size_t kept_bytes = std::size_t{256} << 20;

    /// How long it is kept. What is older goes back to the system at the next call that hands out
    /// or frees, or by trim().
    std::chrono::milliseconds kept_for{1000};
};

/// All in bytes.
struct ArenaUsage {
    std::size_t capacity = 0;
    std::size_t handed_out = 0;  ///< in blocks, rounded up to pages
    std::size_t kept = 0;        ///< of freed blocks, still holding memory
    std::size_t resident = 0;    ///< memory that the file holds: touched or kept
};

/// An arena of this process, as a memory resource: allocate() and deallocate() as everywhere.
///
/// allocate() throws std::bad_alloc while the memory can still be refused: before a memory cgroup's
/// limit, the machine's memory or the commit limit would be passed, all blocks counted that were
/// handed out and not touched yet. (Past such a limit the kernel kills.) That is a look at the
/// moment: other processes go on taking. Blocks below 32 KiB come from pools, larger ones are pages
/// of their own. Fresh and recycled memory is not zeroed.
///
/// A child by fork() gets its own copy of it all, as of private memory, which costs time only if it
/// does not soon execute another program (docs/arena.md); it cannot hand it to peers (fd() is -1).
///
/// Any number of threads may allocate, free and ask at once. Must outlive its blocks; the memory
/// stays with the peers that have mapped it.
/// Source: memfd_create(2); std::pmr::memory_resource.
class Arena : public std::pmr::memory_resource {
public:
    /// Throws std::system_error: ENOMEM, no address space; EFBIG, the file size limit (ulimit -f);
    /// EMFILE, no descriptor free.
    explicit Arena(ArenaOptions options = {});
    ~Arena() override;
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    /// Whether the address lies in the arena, handed out or not.
    [[nodiscard]] bool owns(const void* address) const noexcept;

    /// Gives everything kept back to the system. Returns the bytes. (Where memory may come in huge
    /// pages, those go back whose every byte is free.)
    std::size_t trim() noexcept;

    /// Backs the whole huge pages (2 MiB) in a block by huge pages, also where it was never
    /// touched; contents stay, and peers profit too. It takes about a millisecond each, so it pays
    /// for blocks that live long. Without it there are huge pages where the administrator has them
    /// for shared memory (shmem_enabled). Empty, or the reason: EINVAL, before Linux 6.1 or where
    /// the kernel has none; ENOMEM, no contiguous memory. Source: madvise(2), MADV_COLLAPSE.
    std::error_code use_huge_pages(std::span<std::byte> block) noexcept;

    [[nodiscard]] ArenaUsage usage() const noexcept;

    /// The file, for handing it to peers; owned by the arena.
    [[nodiscard]] int fd() const noexcept;

    /// The whole range of addresses.
    [[nodiscard]] std::span<std::byte> range() const noexcept;

    /// For the layers above.
    [[nodiscard]] arena::Space& space() const noexcept { return *space_; }

private:
    void* do_allocate(std::size_t bytes, std::size_t alignment) override;
    void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override;
    [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override {
        return this == &other;
    }

    class Pages;
    class Pools;
    std::unique_ptr<arena::Space> space_;
    std::unique_ptr<Pages> pages_;
    std::unique_ptr<Pools> pools_;
};

/// A standard allocator over an arena, for containers that are not pmr's. Throws as Arena does.
template <class T>
class ArenaAllocator {
public:
    using value_type = T;

    explicit ArenaAllocator(Arena& arena) noexcept : arena_(&arena) {}
    template <class U>
    explicit ArenaAllocator(const ArenaAllocator<U>& other) noexcept : arena_(other.arena()) {}

    [[nodiscard]] T* allocate(std::size_t count) {
        if (count > SIZE_MAX / sizeof(T)) throw std::bad_array_new_length();
        return static_cast<T*>(arena_->allocate(count * sizeof(T), alignof(T)));
    }
    void deallocate(T* block, std::size_t count) noexcept {
        arena_->deallocate(block, count * sizeof(T), alignof(T));
    }
    [[nodiscard]] Arena* arena() const noexcept { return arena_; }

    template <class U>
    bool operator==(const ArenaAllocator<U>& other) const noexcept {
        return arena_ == other.arena();
    }

private:
    Arena* arena_;
};

}  // namespace onecopy
