// Ranks for tests of the C API of nodes: processes of one job, joined by it.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "node/ranks.hpp"
#include "onecopy/onecopy_node.h"
#include "support/memory.hpp"

namespace onecopy::test {

/// What a rank of a test has.
struct CRank {
    onecopy_node* node = nullptr;
    onecopy_comm* world = nullptr;
    int rank = -1;

    /// A block of the node's arena.
    [[nodiscard]] std::span<std::byte> block(std::size_t bytes) const {
        return {static_cast<std::byte*>(onecopy_node_alloc(node, bytes)), bytes};
    }
};

/// Joins, runs `body`, and leaves: every handle must be freed by then.
inline std::function<void()> joined(const std::function<void(const CRank&)>& body,
                                    unsigned flags = 0) {
    return [body, flags] {
        CRank own;
        onecopy_node_options options = ONECOPY_NODE_OPTIONS;
        options.flags = flags;
        ASSERT_EQ(onecopy_node_open(&options, &own.node), 0);
        own.world = onecopy_node_world(own.node);
        own.rank = onecopy_comm_rank(own.world);
        body(own);
        EXPECT_EQ(onecopy_node_close(&own.node), 0);
        EXPECT_EQ(own.node, nullptr);
    };
}

#define EXPECT_C_RANKS(count, ...) EXPECT_RANKS(count, ::onecopy::test::joined(__VA_ARGS__))

inline std::vector<std::byte> patterned(std::size_t bytes, unsigned seed) {
    std::vector<std::byte> memory(bytes);
    fill(memory, seed);
    return memory;
}

inline bool has_pattern(std::span<const std::byte> bytes, unsigned seed) {
    return first_difference(bytes, seed) == bytes.size();
}

/// What a status says of the message.
inline void expect_status(const onecopy_status& status, int source, int tag, std::uint64_t bytes,
                          int error = 0) {
    EXPECT_EQ(status.source, source);
    EXPECT_EQ(status.tag, tag);
    EXPECT_EQ(status.bytes, bytes);
    EXPECT_EQ(status.error, error);
    EXPECT_EQ(status.reserved, 0);
}

constexpr onecopy_status unset_status{99, 99, 99, 99, 0};
constexpr std::size_t large = 300'000;  // bytes: not inline

}  // namespace onecopy::test
