// Full memory is std::bad_alloc, not a signal and not a killed process: in a small memory cgroup.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "onecopy/arena.hpp"
#include "support/child.hpp"
#include "support/rights.hpp"

namespace onecopy::test {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t mib = 1 << 20;

/// A memory cgroup of version 1 or 2 for this test, below the one that this process is in.
class SmallGroup {
public:
    explicit SmallGroup(std::size_t bytes) {
        std::ifstream groups("/proc/self/cgroup");
        std::string own_v1 = "/", own_v2 = "/";
        for (std::string line; std::getline(groups, line);) {
            const std::string path = line.substr(line.rfind(':') + 1);
            if (line.find(":memory:") != std::string::npos) own_v1 = path;
            if (line.rfind("0::", 0) == 0) own_v2 = path;
        }
        const std::string name = "/onecopy-test-" + std::to_string(::getpid());
        for (const auto& [base, limit] :
             {std::pair<std::string, std::string>{"/sys/fs/cgroup/memory" + own_v1,
                                                  "memory.limit_in_bytes"},
              {"/sys/fs/cgroup" + own_v2, "memory.max"}}) {
            std::error_code error;
            if (!fs::exists(base, error)) continue;
            const fs::path made = fs::path(base) / name.substr(1);
            if (!fs::create_directory(made, error)) continue;
            if (!fs::exists(made / limit, error)) {
                fs::remove(made, error);
                continue;
            }
            std::ofstream(made / limit) << bytes;
            path_ = made;
            return;
        }
    }
    ~SmallGroup() {
        // The kernel lets go of its last member a moment after that has been reaped.
        std::error_code error;
        if (!path_.empty()) eventually([&] { return ::rmdir(path_.c_str()) == 0; });
    }
    SmallGroup(const SmallGroup&) = delete;
    SmallGroup& operator=(const SmallGroup&) = delete;

    explicit operator bool() const { return !path_.empty(); }
    /// Puts the calling process into it.
    [[nodiscard]] bool enter() const {
        std::ofstream members(path_ / "cgroup.procs");
        members << ::getpid() << std::flush;
        return static_cast<bool>(members);
    }

private:
    fs::path path_;
};

struct Outcome {
    std::size_t touched;
    bool refused;
};

/// Takes and touches blocks until it is told that there are no more.
Outcome fill_up(const SmallGroup& group, std::size_t block_bytes, bool touch_at_once) {
    return forked([&]() -> Outcome {
        if (!group.enter()) return {0, false};
        Arena arena({.capacity_bytes = 1024 * mib});
        std::vector<void*> blocks;
        Outcome outcome{0, false};
        try {
            for (;;) {
                blocks.push_back(arena.allocate(block_bytes, 64));
                if (touch_at_once) std::memset(blocks.back(), 1, block_bytes);
            }
        } catch (const std::bad_alloc&) {
            outcome.refused = true;
        }
        for (void* block : blocks) {
            std::memset(block, 2, block_bytes);
            outcome.touched += block_bytes;
        }
        // What is freed can be taken again, though the group is full.
        if (!blocks.empty()) {
            arena.deallocate(blocks.back(), block_bytes, 64);
            std::memset(arena.allocate(block_bytes, 64), 3, block_bytes);
        }
        return outcome;
    });
}

class ArenaInASmallGroup : public testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(, ArenaInASmallGroup, testing::Values(64U << 10, 1U << 20, 16U << 20));

TEST_P(ArenaInASmallGroup, SaysBadAllocBeforeTheKernelKills) {
    ONECOPY_NEEDS_ROOT();
    const SmallGroup group(128 * mib);
    if (!group) GTEST_SKIP() << "no memory cgroup can be made here";
    for (const bool touch_at_once : {true, false}) {
        const Outcome outcome = fill_up(group, GetParam(), touch_at_once);
        EXPECT_TRUE(outcome.refused);
        EXPECT_GE(outcome.touched, 64 * mib);  // most of it can be used
        EXPECT_LE(outcome.touched, 128 * mib);
    }
}

}  // namespace
}  // namespace onecopy::test
