// exec keeps the number and replaces the memory (semantics.md, row 2.18).
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <string>
#include <thread>

#include "contract.hpp"

namespace onecopy::test {
namespace {

/// exec()s a program that sleeps, at addresses that repeat.
std::int64_t become_another_program(const Words&) {
    ::signal(SIGALRM, SIG_DFL);
    ::alarm(60);
    ::execl("/bin/sleep", "sleep", "60", nullptr);
    return errno;
}

/// The start of a mapping of this process that can be written, by its maps.
std::uint64_t some_writable_address(int pid) {
    const std::string path = "/proc/" + std::to_string(pid) + "/maps";
    FILE* const maps = std::fopen(path.c_str(), "r");
    std::array<char, 512> line{};
    unsigned long long begin = 0;
    while (maps != nullptr && std::fgets(line.data(), line.size(), maps) != nullptr) {
        std::array<char, 8> rights{};
        unsigned long long end = 0;
        if (std::sscanf(line.data(), "%llx-%llx %7s", &begin, &end, rights.data()) == 3 &&
            rights[1] == 'w')
            break;
    }
    if (maps != nullptr) std::fclose(maps);
    return begin;
}

bool runs_sleep(int pid) {
    const std::string path = "/proc/" + std::to_string(pid) + "/comm";
    std::array<char, 32> name{};
    const int file = ::open(path.c_str(), O_RDONLY);
    const ssize_t got = ::read(file, name.data(), name.size() - 1);
    ::close(file);
    return got > 0 && std::string(name.data()).rfind("sleep", 0) == 0;
}

/// Makes `child` another program; returns once it is.
void replace(Child& child) {
    child.start(become_another_program);
    ASSERT_TRUE(eventually([&] { return runs_sleep(child.pid()); }));
}

class Exec : public EngineContract {
protected:
    void replace(Child& child) {
        test::replace(child);
        foreign_ = some_writable_address(child.pid());
        ASSERT_NE(foreign_, 0U);
    }
    std::uint64_t foreign_ = 0;
};
INSTANTIATE_TEST_SUITE_P(, Exec,
                         ::testing::Combine(::testing::ValuesIn(ways().begin(), ways().end()),
                                            ::testing::Values(Direction::read, Direction::write)),
                         contract_name);

TEST_P(Exec, IsNoticedByEveryWriteAndByReadsThatFault) {
    const Memory far({Page::writable}, 5);
    const Memory near({Page::writable}, 6);
    Child child;
    const Process process = open(child);
    ASSERT_TRUE(process.same_image());
    replace(child);
    EXPECT_TRUE(process.alive());
    EXPECT_FALSE(process.same_image());
    const Transfer gone = move(process, near.span(0, 8), far.address());
    EXPECT_EQ(gone.bytes, 0U);
    EXPECT_EQ(gone.error.value(), ESRCH);
    if (!reading()) {
        const Transfer foreign = move(process, near.span(0, 8), foreign_);
        EXPECT_EQ(foreign.bytes, 0U);
        EXPECT_EQ(foreign.error.value(), ESRCH);
    }
}

TEST_P(Exec, BytesOfTheNewImageBeforeAFaultAreNotCounted) {
    if (differs(Difference::ends_at_4_gib)) GTEST_SKIP() << "the new program lies above";
    const Memory near(page);
    Child child;
    const Process process = open(child);
    replace(child);
    const std::vector<Segment> local{near.span(0, 8), near.span(8, 8)};
    const std::vector<RemoteSegment> remote{{foreign_, 8}, {8, 8}};
    const Transfer got = transfer(way(), direction(), process, local, remote);
    EXPECT_EQ(got.bytes, 0U);
    EXPECT_EQ(got.error.value(), ESRCH);
}

TEST_P(Exec, IsNoticedByEveryTransferOfAWatchedImage) {
    if (differs(Difference::ends_at_4_gib)) GTEST_SKIP() << "the new program lies above";
    const Memory near(page);
    Child child;
    const Process process(child.pid(), {true, way().held});
    EXPECT_EQ(move(process, near.span(0, 8), near.address()).bytes, 8U);
    replace(child);
    for (const std::size_t bytes : {1U, 8U, 4096U}) {
        const Transfer got = move(process, near.span(0, bytes), foreign_);
        EXPECT_EQ(got.bytes, 0U);
        EXPECT_EQ(got.error.value(), ESRCH);
    }
}

TEST_P(Exec, IsNoticedByLongListsOfShortRuns) {
    if (differs(Difference::ends_at_4_gib)) GTEST_SKIP() << "the new program lies above";
    // Each call is short; together they take long enough that the image is looked at in between.
    const std::size_t count = 50000;
    const Memory near(count);
    Child child;
    const Process process = open(child);
    replace(child);
    std::vector<Segment> local;
    std::vector<RemoteSegment> remote;
    for (std::size_t i = 0; i < count; ++i) {
        local.push_back(near.span(i, 1));
        remote.push_back({foreign_ + (i * 37) % 4000, 1});
    }
    const Transfer got = transfer(way(), direction(), process, local, remote);
    EXPECT_EQ(got.bytes, 0U);
    EXPECT_EQ(got.error.value(), ESRCH);
}

TEST(ExecWithARelative, IsNoticedThoughTheRelativeKeepsTheOldImage) {
#if defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "ThreadSanitizer's clone hands its argument over on a stack that both use";
#endif
    // After clone(CLONE_VM) the memory outlives the exec, in the other process, and the descriptors
    // bound to it go on as if nothing had happened. The cookie tells.
    const Memory far({Page::writable}, 5);
    Child child;
    const Relative relative(child);
    const Process process(child.pid());
    EXPECT_EQ(write(process, far.span(0, 8), far.address()).bytes, 8U);
    replace(child);
    EXPECT_EQ(write(process, far.span(0, 8), some_writable_address(child.pid())).bytes, 0U);
    EXPECT_TRUE(process.alive());
    EXPECT_FALSE(process.same_image());
    EXPECT_EQ(write(process, far.span(100, 8), far.address()).error.value(), ESRCH);
    std::array<std::byte, 8> bytes{};
    EXPECT_EQ(read(Process(relative.pid()), far.address(), bytes).bytes, 8U);
    EXPECT_EQ(first_difference(bytes, 5, 0), 8U);
    EXPECT_NE(read(process, far.address(), bytes).bytes, 8U);
}

TEST_P(Exec, IsNoticedWhileSomebodyReadsInTheOldImage) {
    // A reader pins the image: it looks alive until he is done, though nobody runs in it any more.
    constexpr std::size_t large = (sizeof(void*) == 8 ? 64U : 4U) << 20;
    const Memory much(large);
    fill(much.span(), 7);
    const Memory room(large);
    const Memory far({Page::writable}, 5);
    const Memory near({Page::writable}, 6);
    for (int round = 0; round < 5; ++round) {
        Child child;
        const Process process(child.pid(), {true, way().held});
        const auto some = [&] { return move(process, near.span(0, 8), far.address()); };
        std::jthread reader([&] {
            while (read(process, much.address(), room.span()).bytes == large) {
            }
        });
        ASSERT_EQ(some().bytes, 8U);
        child.start(become_another_program);
        // From the first failure on it stays gone; there is no success that the new program gave,
        // or that went into the image nobody runs in any more.
        ASSERT_TRUE(eventually([&] { return some().error.value() == ESRCH; }));
        EXPECT_FALSE(process.same_image());
        ASSERT_TRUE(eventually([&] { return runs_sleep(child.pid()); }));
        EXPECT_EQ(some().error.value(), ESRCH);
        EXPECT_FALSE(process.same_image());
    }
}

}  // namespace
}  // namespace onecopy::test
