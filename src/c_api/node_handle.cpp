// onecopy_node_*: joining, leaving, and the node's arena.
#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <memory>

#include "c_api/node_handles.hpp"

using namespace onecopy;
using namespace onecopy::c_api;

namespace {

/// What was there when the struct was first published; no program has less.
constexpr std::size_t first_options_bytes =
    offsetof(onecopy_node_options, timeout_ms) + sizeof(unsigned);
/// No struct will ever be longer: a size beyond is none.
constexpr std::size_t most_struct_bytes = 4096;
constexpr std::size_t block_alignment = 64;

/// What the caller's struct says, whichever version of it that is.
int read_options(const onecopy_node_options& given, onecopy_node_options& known) noexcept {
    if (given.struct_bytes < first_options_bytes) return -EINVAL;
    if (given.struct_bytes > most_struct_bytes) return -E2BIG;
    const auto* const bytes = reinterpret_cast<const unsigned char*>(&given);
    const std::size_t end = std::max(given.struct_bytes, sizeof known);
    if (given.struct_bytes > sizeof known &&
        std::any_of(bytes + sizeof known, bytes + end, [](unsigned char b) { return b != 0; })) {
        return -E2BIG;
    }
    std::memcpy(&known, bytes, std::min(given.struct_bytes, sizeof known));
    return (known.flags & ~ONECOPY_NODE_THREADS) != 0 ? -EINVAL : 0;
}

NodeOptions to_options(const onecopy_node_options& given) {
    NodeOptions options;
    options.threads = (given.flags & ONECOPY_NODE_THREADS) != 0;
    options.arena_bytes = given.arena_bytes;
    if (given.key != nullptr) options.key = given.key;
    if (given.directory != nullptr) options.directory = given.directory;
    options.rank = given.rank;
    options.size = given.size;
    if (given.timeout_ms != 0) options.timeout = std::chrono::milliseconds(given.timeout_ms);
    return options;
}

}  // namespace

extern "C" {

int onecopy_node_open(const onecopy_node_options* options, onecopy_node** node) {
    if (node == nullptr) return -EINVAL;
    *node = nullptr;
    onecopy_node_options known = ONECOPY_NODE_OPTIONS;
    if (options != nullptr) {
        if (const int error = read_options(*options, known); error != 0) return error;
    }
    return guarded([&] {
        *node = new onecopy_node(to_options(known));
        return 0;
    });
}

int onecopy_node_close(onecopy_node** node) {
    if (node == nullptr) return -EINVAL;
    if (*node != nullptr && (*node)->parts.count.load(std::memory_order_relaxed) != 1) {
        return -EBUSY;
    }
    return free_handle(node);
}

int onecopy_node_rank(const onecopy_node* node) {
    return node == nullptr ? -EINVAL : node->node.rank();
}

int onecopy_node_size(const onecopy_node* node) {
    return node == nullptr ? -EINVAL : node->node.size();
}

onecopy_comm* onecopy_node_world(onecopy_node* node) {
    return node == nullptr ? nullptr : &node->world;
}

void* onecopy_node_alloc(onecopy_node* node, size_t bytes) {
    void* block = nullptr;
    const int error = guarded([&] {
        if (node == nullptr) return -EINVAL;
        if (bytes > PTRDIFF_MAX) return -ENOMEM;
        Arena& arena = node->node.arena();
        bytes = std::max<std::size_t>(bytes, 1);
        const auto give_back = [&](void* b) { arena.deallocate(b, bytes, block_alignment); };
        std::unique_ptr<void, decltype(give_back)> got(arena.allocate(bytes, block_alignment),
                                                       give_back);
        const std::lock_guard guard(node->blocks_lock);
        node->blocks.emplace(got.get(), bytes);
        block = got.release();
        return 0;
    });
    if (error != 0) errno = -error;
    return block;
}

int onecopy_node_free(onecopy_node* node, void* block) {
    return guarded([&] {
        if (node == nullptr) return -EINVAL;
        if (block == nullptr) return 0;
        std::size_t bytes = 0;
        {
            const std::lock_guard guard(node->blocks_lock);
            const auto found = node->blocks.find(block);
            if (found == node->blocks.end()) return -EINVAL;
            bytes = found->second;
            node->blocks.erase(found);
        }
        node->node.arena().deallocate(block, bytes, block_alignment);
        return 0;
    });
}

int onecopy_node_counters(const onecopy_node* node, onecopy_counters* counters,
                          size_t struct_bytes) {
    if (node == nullptr || counters == nullptr) return -EINVAL;
    if (struct_bytes > most_struct_bytes) return -E2BIG;
    const NodeCounters seen = node->node.counters();
    static_assert(sizeof(NodeCounters) == sizeof(onecopy_counters), "a new counter: for C, too");
    const onecopy_counters known = {seen.eager_messages, seen.large_messages, seen.mapped_bytes,
                                    seen.called_bytes,   seen.staged_bytes,   seen.helped_bytes,
                                    seen.sleeps};
    const std::size_t common = std::min(struct_bytes, sizeof known);
    std::memcpy(counters, &known, common);
    std::memset(reinterpret_cast<std::byte*>(counters) + common, 0, struct_bytes - common);
    return 0;
}

}  // extern "C"
