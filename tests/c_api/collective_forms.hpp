// Both forms of a collective call by C: it blocks, or a request is waited for.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "c_ranks.hpp"
#include "onecopy/onecopy_collectives.h"

namespace onecopy::test {

constexpr int collective_ranks = 3;

/// Makes `begin`'s call, and waits for it.
template <class Begin>
int in_full(const Begin& begin) {
    onecopy_request* request = nullptr;
    EXPECT_EQ(begin(&request), 0);
    EXPECT_NE(request, nullptr);
    const int error = onecopy_wait(&request, nullptr);
    EXPECT_EQ(request, nullptr);
    return error;
}

/// Of a call that is written once, without what is different between its forms: the answer of
/// onecopy_`name`, or of onecopy_i`name` and its request. Both must be there with these arguments.
#define ONECOPY_EITHER_FORM(blocks, name, ...)                                         \
    ((blocks) ? onecopy_##name(__VA_ARGS__) : in_full([&](onecopy_request** request) { \
        return onecopy_i##name(__VA_ARGS__, request);                                  \
    }))

/// Elements that no two ranks or places share.
using Elements = std::vector<std::int64_t>;
inline std::int64_t element(int rank, std::size_t place) {
    return (rank + 1) * std::int64_t{1'000'000'007} + static_cast<std::int64_t>(place);
}
inline Elements elements_of(int rank, std::size_t count, std::size_t first = 0) {
    Elements made(count);
    for (std::size_t i = 0; i < count; ++i) made[i] = element(rank, first + i);
    return made;
}
inline Elements zeros(std::size_t count) { return Elements(count, 0); }
inline Elements& operator+=(Elements& to, const Elements& more) {
    to.insert(to.end(), more.begin(), more.end());
    return to;
}

/// For each form and for calls that are small and large, by ranks that have joined.
template <class Body>
void in_each_form(const Body& body) {
    EXPECT_C_RANKS(collective_ranks, [&body](const CRank& own) {
        for (const bool blocks : {true, false}) {
            for (const std::size_t count : {std::size_t{1}, std::size_t{7}, std::size_t{40'000}}) {
                SCOPED_TRACE(testing::Message()
                             << (blocks ? "blocking" : "begun") << ", " << count << " elements");
                body(own, blocks, count);
            }
        }
    });
}

constexpr std::size_t element_bytes = sizeof(std::int64_t);

}  // namespace onecopy::test
