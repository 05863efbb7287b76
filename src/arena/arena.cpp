#include "onecopy/arena.hpp"

#include <algorithm>
#include <new>

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

Arena::Arena(ArenaOptions options)
    : space_(std::make_unique<arena::Space>(options)), pages_(std::make_unique<Pages>(*space_)) {}

Arena::~Arena() = default;

/// Made when the first small block is asked for: the pools keep their own books in the arena.
std::pmr::memory_resource& Arena::pools() {
    std::call_once(pools_made_, [this] {
        pools_ = std::make_unique<std::pmr::synchronized_pool_resource>(
            std::pmr::pool_options{.max_blocks_per_chunk = 0,
                                   .largest_required_pool_block = own_pages_bytes},
            pages_.get());
    });
    return *pools_;
}

void* Arena::do_allocate(std::size_t bytes, std::size_t alignment) {
    if (std::max(bytes, alignment) < own_pages_bytes) return pools().allocate(bytes, alignment);
    return pages_->allocate(bytes, alignment);
}

void Arena::do_deallocate(void* block, std::size_t bytes, std::size_t alignment) {
    if (std::max(bytes, alignment) < own_pages_bytes) {
        pools().deallocate(block, bytes, alignment);
    } else {
        pages_->deallocate(block, bytes, alignment);
    }
}

bool Arena::owns(const void* address) const noexcept { return space_->owns(address); }

std::size_t Arena::trim() noexcept { return space_->trim(); }

ArenaUsage Arena::usage() const noexcept { return space_->usage(); }

int Arena::fd() const noexcept { return space_->fd(); }

std::span<std::byte> Arena::range() const noexcept { return space_->range(); }

}  // namespace onecopy
