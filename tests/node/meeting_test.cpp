// Ranks that find each other by a key.
#include "node/meeting.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "onecopy/node.hpp"
#include "support/child.hpp"

namespace onecopy {
namespace {

std::string new_key() {
    static int count = 0;
    return "a key of process " + std::to_string(::getpid()) + ", " + std::to_string(count++);
}

/// A process that ends with what `body` returns.
pid_t start(const std::function<int()>& body) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(body());
    return pid;
}
int status_of(pid_t pid) {
    int status = -1;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

NodeOptions options_for(const std::string& key, int rank, int size) {
    NodeOptions options;
    options.key = key;
    options.rank = rank;
    options.size = size;
    options.timeout = std::chrono::milliseconds(test::deadlock_guard_ms);
    return options;
}

/// What joining threw; 0: nothing, and the ranks met in a barrier.
int join(const NodeOptions& options) {
    try {
        Node node(options);
        node.world().barrier();
        return node.size() == options.size && node.rank() == options.rank ? 0 : 1;
    } catch (const std::system_error& error) {
        return error.code().value();
    }
}

TEST(Meeting, RanksThatKnowTheKeyBecomeAJobWhoeverComesFirst) {
    for (const bool first : {false, true}) {
        const std::string key = new_key();
        std::vector<pid_t> pids;
        for (int i = 0; i < 4; ++i) {
            const int rank = first ? i : 3 - i;
            pids.push_back(start([&] {
                ::usleep(static_cast<useconds_t>(i) * 10'000);
                return join(options_for(key, rank, 4));
            }));
        }
        for (const pid_t pid : pids) EXPECT_EQ(status_of(pid), 0);
    }
}

TEST(Meeting, TheEnvironmentNamesTheKeyToo) {
    const std::string key = new_key();
    std::vector<pid_t> pids;
    for (int rank = 0; rank < 2; ++rank) {
        pids.push_back(start([&, rank] {
            ::setenv("ONECOPY_JOB", ("key:" + key).c_str(), 1);
            ::setenv("ONECOPY_RANK", std::to_string(rank).c_str(), 1);
            ::setenv("ONECOPY_SIZE", "2", 1);
            Node node;
            node.world().barrier();
            return node.size() == 2 ? 0 : 1;
        }));
    }
    for (const pid_t pid : pids) EXPECT_EQ(status_of(pid), 0);
}

TEST(Meeting, ThroughADirectoryNothingIsLeft) {
    std::string directory = "/tmp/onecopy-meeting-XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    const std::string key = new_key();
    std::vector<pid_t> pids;
    for (int rank = 0; rank < 3; ++rank) {
        pids.push_back(start([&, rank] {
            NodeOptions options = options_for(key, rank, 3);
            options.directory = directory;
            return join(options);
        }));
    }
    for (const pid_t pid : pids) EXPECT_EQ(status_of(pid), 0);
    EXPECT_TRUE(std::filesystem::is_empty(directory));
    // One that others may look into is refused.
    ::chmod(directory.c_str(), 0755);
    NodeOptions options = options_for(key, 0, 1);
    options.directory = directory;
    EXPECT_EQ(join(options), EPERM);
    std::filesystem::remove(directory);
}

TEST(Meeting, WhoSitsOnTheNameWithoutTheKeyGetsAndGivesNothing) {
    // Both keys lead to one name only if somebody sits there: so a rank 0 with another key is made
    // to listen under the name of ours, by a directory and a link.
    std::string directory = "/tmp/onecopy-meeting-XXXXXX";
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    const std::string key = new_key();
    const std::string other = new_key();
    NodeOptions squatter = options_for(other, 0, 2);
    squatter.directory = directory;
    squatter.timeout = std::chrono::milliseconds(3000);
    const pid_t pid = start([&] { return join(squatter); });
    std::string made;
    while (made.empty()) {
        for (const auto& each : std::filesystem::directory_iterator(directory)) made = each.path();
    }
    // The name of ours: where rank 0 of our key would listen.
    std::string second = "/tmp/onecopy-meeting-XXXXXX";
    ASSERT_NE(::mkdtemp(second.data()), nullptr);
    NodeOptions ours = options_for(key, 0, 2);
    ours.directory = second;
    ours.timeout = std::chrono::milliseconds(300);
    std::string name;
    const pid_t lone = start([&] { return join(ours); });
    while (name.empty()) {
        for (const auto& each : std::filesystem::directory_iterator(second)) {
            name = each.path().filename();
        }
    }
    EXPECT_EQ(status_of(lone), ETIMEDOUT);
    std::filesystem::rename(made, std::filesystem::path(directory) / name);
    ours.directory = directory;
    ours.rank = 1;
    ours.timeout = std::chrono::milliseconds(test::deadlock_guard_ms);
    EXPECT_EQ(join(ours), EADDRINUSE);
    EXPECT_EQ(status_of(pid), ETIMEDOUT);
    std::filesystem::remove_all(directory);
    std::filesystem::remove_all(second);
}

TEST(Meeting, TheSameRankTwiceOrAnotherSizeIsRefused) {
    const std::string key = new_key();
    const pid_t host = start([&] { return join(options_for(key, 0, 3)); });
    const pid_t one = start([&] { return join(options_for(key, 1, 3)); });
    EXPECT_EQ(join(options_for(key, 1, 4)), EINVAL);
    EXPECT_EQ(join(options_for(key, 7, 8)), EINVAL);
    EXPECT_EQ(join(options_for(key, 3, 3)), EINVAL);
    // Whichever of the two is second.
    const pid_t again = start([&] { return join(options_for(key, 1, 3)); });
    ::usleep(100'000);
    const pid_t last = start([&] { return join(options_for(key, 2, 3)); });
    std::vector<int> ends = {status_of(one), status_of(again)};
    EXPECT_EQ(status_of(host), 0);
    EXPECT_EQ(status_of(last), 0);
    std::sort(ends.begin(), ends.end());
    EXPECT_EQ(ends, (std::vector<int>{0, EEXIST}));
}

TEST(Meeting, WhoWaitsInVainIsTold) {
    NodeOptions options = options_for(new_key(), 1, 2);
    options.timeout = std::chrono::milliseconds(50);
    EXPECT_EQ(join(options), ETIMEDOUT);
    options.rank = 0;
    EXPECT_EQ(join(options), ETIMEDOUT);
    options.size = 0;
    EXPECT_EQ(join(options), EINVAL);
}

TEST(Meeting, WhoDiesBetweenMeetingAndJoiningIsNotWaitedForForEver) {
    const std::string key = new_key();
    std::vector<pid_t> pids;
    for (int rank = 0; rank < 2; ++rank) {
        pids.push_back(start([&, rank] {
            NodeOptions options = options_for(key, rank, 3);
            options.timeout = std::chrono::milliseconds(1500);
            return join(options);
        }));
    }
    const pid_t dies = start([&] {
        static_cast<void>(node::meet({.key = key, .directory = {}, .rank = 2, .ranks = 3}));
        return 0;
    });
    EXPECT_EQ(status_of(dies), 0);
    for (const pid_t pid : pids) EXPECT_EQ(status_of(pid), ETIMEDOUT);
}

TEST(Meeting, NobodyGoesOnBeforeAllHaveCome) {
    const std::string key = new_key();
    const pid_t host = start([&] {
        NodeOptions options = options_for(key, 0, 3);
        options.timeout = std::chrono::milliseconds(1000);
        return join(options);
    });
    NodeOptions options = options_for(key, 1, 3);
    options.timeout = std::chrono::milliseconds(1000);
    EXPECT_EQ(join(options), ETIMEDOUT);
    EXPECT_EQ(status_of(host), ETIMEDOUT);
}

TEST(Meeting, AProcessOfNoJobIsToldSo) {
    ::unsetenv("ONECOPY_JOB");
    try {
        Node node;
        FAIL();
    } catch (const std::system_error& error) {
        EXPECT_EQ(error.code(), Errc::no_job);
        EXPECT_NE(std::string(error.what()).find("onecopy run"), std::string::npos);
    }
}

}  // namespace
}  // namespace onecopy
