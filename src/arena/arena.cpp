#include "onecopy/arena.hpp"

#include <algorithm>
#include <mutex>
#include <new>
#include <optional>

#include "arena/forks.hpp"
#include "arena/space.hpp"

namespace onecopy {
namespace {

/// From this size on a block has pages of its own; smaller ones share pages in pools.
constexpr std::size_t own_pages_bytes = std::size_t{32} << 10;

}  // namespace

/// The pages as a memory resource, for the pools.
class Arena::Pages : public std::pmr::memory_resource {
public:
    explicit Pages(arena::Space& space) noexcept : space_(space) {}

private:
    void* do_allocate(std::size_t bytes, std::size_t alignment) override {
        void* const block = space_.allocate(bytes, alignment);
        if (block == nullptr) throw std::bad_alloc();
        return block;
    }
    void do_deallocate(void* block, std::size_t bytes, std::size_t /*alignment*/) override {
        space_.free(block, bytes);
    }
    [[nodiscard]] bool do_is_equal(const memory_resource& other) const noexcept override {
        return this == &other;
    }

    arena::Space& space_;
};

/// Small blocks. A lock of our own around the pools, not pools with a lock of theirs, because a
/// child forked while another thread held that could never take it.
class Arena::Pools final : private arena::ForkAware {
public:
    explicit Pools(std::pmr::memory_resource& pages) : pages_(pages) { enter_forks(); }
    ~Pools() override { leave_forks(); }

    void* allocate(std::size_t bytes, std::size_t alignment) {
        const std::lock_guard guard(lock_);
        // Made when the first block is asked for: pools keep their own books in the arena.
        if (!pools_) {
            pools_.emplace(std::pmr::pool_options{.max_blocks_per_chunk = 0,
                                                  .largest_required_pool_block = own_pages_bytes},
                           &pages_);
        }
        return pools_->allocate(bytes, alignment);
    }
    void deallocate(void* block, std::size_t bytes, std::size_t alignment) {
        const std::lock_guard guard(lock_);
        pools_->deallocate(block, bytes, alignment);
    }

private:
    void before_fork() noexcept override { lock_.lock(); }
    void after_fork() noexcept override { lock_.unlock(); }
    void in_child() noexcept override { lock_.unlock(); }

    std::mutex lock_;
    std::pmr::memory_resource& pages_;
    std::optional<std::pmr::unsynchronized_pool_resource> pools_;
};

Arena::Arena(ArenaOptions options)
    : space_(std::make_unique<arena::Space>(options)),
      pages_(std::make_unique<Pages>(*space_)),
      pools_(std::make_unique<Pools>(*pages_)) {}

Arena::~Arena() = default;

void* Arena::do_allocate(std::size_t bytes, std::size_t alignment) {
    arena::settle_after_fork();
    if (std::max(bytes, alignment) < own_pages_bytes) return pools_->allocate(bytes, alignment);
    return pages_->allocate(bytes, alignment);
}

void Arena::do_deallocate(void* block, std::size_t bytes, std::size_t alignment) {
    arena::settle_after_fork();
    if (std::max(bytes, alignment) < own_pages_bytes) {
        pools_->deallocate(block, bytes, alignment);
    } else {
        pages_->deallocate(block, bytes, alignment);
    }
}

bool Arena::owns(const void* address) const noexcept { return space_->owns(address); }

std::size_t Arena::trim() noexcept { return space_->trim(); }

std::error_code Arena::use_huge_pages(std::span<std::byte> block) noexcept {
    return {space_->make_huge(block.data(), block.size()), std::system_category()};
}

ArenaUsage Arena::usage() const noexcept { return space_->usage(); }

int Arena::fd() const noexcept { return space_->fd(); }

std::span<std::byte> Arena::range() const noexcept { return space_->range(); }

}  // namespace onecopy
