// Ranks for tests: forked processes of one job, each of which runs the same function.
#pragma once

#include <gtest/gtest.h>
#include <sys/types.h>

#include <functional>
#include <vector>

#include "onecopy/node.hpp"

namespace onecopy::test {

/// How the ranks ended.
struct RankEnds {
    /// By rank: as waitpid(2) says; -1 if it had to be killed because it did not end.
    std::vector<int> statuses;
    /// Whether every one that `expected` (empty: all) names returned without a failed expectation.
    [[nodiscard]] bool all_right(const std::vector<int>& ranks = {}) const;
};

/// The processes of a job, before and while they run.
class Ranks {
public:
    /// Starts `count` of them; each joins as a rank and runs `body`, in which gtest's expectations
    /// may be used: what fails is printed, and the rank ends with status 1.
    Ranks(int count, const std::function<void(Node&)>& body, const NodeOptions& options = {});
    /// The same for a body that joins by itself, as the rank that the environment says.
    Ranks(int count, const std::function<void()>& body);
    ~Ranks();
    Ranks(const Ranks&) = delete;
    Ranks& operator=(const Ranks&) = delete;

    [[nodiscard]] pid_t pid(int rank) const { return pids_[static_cast<std::size_t>(rank)]; }
    /// Reaps them all, and kills what does not end within the deadlock guard.
    RankEnds wait();

private:
    std::vector<pid_t> pids_;
    bool waited_ = false;
};

/// As by kill -9.
[[noreturn]] void die();

/// The common case: all of them return, without a failed expectation.
#define EXPECT_RANKS(count, ...) \
    EXPECT_TRUE(::onecopy::test::Ranks(count, __VA_ARGS__).wait().all_right())

}  // namespace onecopy::test
