// Calls on a process handle: what C++ promises, in C's terms.
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

#include "onecopy/onecopy.h"
#include "onecopy/version.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"

namespace onecopy::test {
namespace {

struct Close {
    void operator()(onecopy_process* process) const { onecopy_process_close(process); }
};
using Handle = std::unique_ptr<onecopy_process, Close>;

TEST(ProcessHandle, OpensOnlyWhatIsThereAndOnlyWithKnownOptions) {
    errno = 0;
    EXPECT_EQ(onecopy_process_open(-1, 0), nullptr);
    EXPECT_EQ(errno, ESRCH);
    EXPECT_EQ(onecopy_process_open(::getpid(), 4), nullptr);
    EXPECT_EQ(errno, EINVAL);
    const Handle self(onecopy_process_open(::getpid(), 0));
    EXPECT_NE(self, nullptr);
    EXPECT_EQ(onecopy_process_access(self.get()), 0);
}

TEST(ProcessHandle, TellsOfADeath) {
    const Child child;
    const Handle handle(onecopy_process_open(child.pid(), 0));
    EXPECT_EQ(onecopy_process_alive(handle.get()), 1);
    EXPECT_EQ(onecopy_process_access(handle.get()), 0);
    child.kill();
    EXPECT_EQ(onecopy_process_alive(handle.get()), 0);
    EXPECT_EQ(onecopy_process_access(handle.get()), ESRCH);
    if (const int fd = onecopy_process_death_fd(handle.get()); fd >= 0) {
        pollfd waiting{fd, POLLIN, 0};
        EXPECT_EQ(::poll(&waiting, 1, 0), 1);
    }
}

TEST(ProcessHandle, CopiesMoreElementsThanASystemCallTakes) {
    constexpr std::size_t count = 5000;
    const Memory remote(2 * count);
    const Memory local(2 * count);
    fill(remote.span(), 3);
    const Child child;
    fill(remote.span(), 4);
    std::vector<iovec> near(count);
    std::vector<onecopy_remote> far(count);
    for (std::size_t i = 0; i < count; ++i) {
        near[i] = {local.data() + 2 * i, 1};
        far[i] = {remote.address(2 * i), 1};
    }
    const Handle handle(onecopy_process_open(child.pid(), ONECOPY_PROCESS_WATCH_IMAGE));
    std::uint64_t bytes = 0;
    EXPECT_EQ(onecopy_process_readv(handle.get(), near.data(), count, far.data(), count, 0, &bytes),
              0);
    EXPECT_EQ(bytes, count);
    for (std::size_t i = 0; i < 2 * count; i += 2) {
        ASSERT_EQ(local.data()[i], pattern(3, i)) << i;
        ASSERT_EQ(local.data()[i + 1], std::byte{0}) << i;
    }
}

TEST(ProcessHandle, WritesAndTellsWhatStoppedIt) {
    const Memory remote({Page::writable, Page::hole}, 1);
    Child child;
    const Handle handle(onecopy_process_open(child.pid(), ONECOPY_PROCESS_HELD));
    const Memory local({Page::writable, Page::writable}, 5);
    const iovec near{local.data(), 100};
    const onecopy_remote far{remote.address(page - 60), 100};
    std::uint64_t bytes = 0;
    EXPECT_EQ(onecopy_process_writev(handle.get(), &near, 1, &far, 1, 0, &bytes), EFAULT);
    EXPECT_EQ(bytes, 60U);
}

TEST(ProcessHandle, ReducesInBothDirections) {
    static std::int32_t there = 40;
    const Child child;
    std::int32_t here = 2;
    const iovec near{&here, sizeof here};
    const onecopy_remote far{reinterpret_cast<std::uintptr_t>(&there), sizeof there};
    const Handle handle(onecopy_process_open(child.pid(), 0));
    const unsigned long flags = ONECOPY_SUM | ONECOPY_INT32;
    EXPECT_EQ(onecopy_process_writev(handle.get(), &near, 1, &far, 1, flags, nullptr), 0);
    EXPECT_EQ(onecopy_process_readv(handle.get(), &near, 1, &far, 1, flags, nullptr), 0);
    EXPECT_EQ(here, 44);
}

TEST(ProcessHandle, RefusesMissingArgumentsInsteadOfCrashing) {
    const iovec near{nullptr, 0};
    const onecopy_remote far{0, 0};
    const Handle self(onecopy_process_open(::getpid(), 0));
    std::uint64_t bytes = 7;
    EXPECT_EQ(onecopy_process_readv(nullptr, &near, 1, &far, 1, 0, &bytes), EINVAL);
    EXPECT_EQ(bytes, 0U);
    EXPECT_EQ(onecopy_process_readv(self.get(), nullptr, 1, &far, 1, 0, nullptr), EINVAL);
    EXPECT_EQ(onecopy_process_writev(self.get(), &near, 1, nullptr, 1, 0, nullptr), EINVAL);
    EXPECT_EQ(onecopy_process_writev(self.get(), &near, 1, &far, 1, 99, nullptr), EINVAL);
    EXPECT_EQ(onecopy_process_readv(self.get(), nullptr, 0, nullptr, 0, 0, nullptr), 0);
    onecopy_process_close(nullptr);
}

TEST(ProcessHandle, AnAbsurdCountIsNoMemoryAndNoCrash) {
    const Handle self(onecopy_process_open(::getpid(), 0));
    const iovec near{nullptr, 0};
    const onecopy_remote far{0, 0};
    std::uint64_t bytes = 7;
    EXPECT_EQ(onecopy_process_readv(self.get(), &near, SIZE_MAX / 2, &far, 1, 0, &bytes), ENOMEM);
    EXPECT_EQ(onecopy_process_writev(self.get(), &near, 1, &far, SIZE_MAX / 16, 0, nullptr),
              ENOMEM);
    EXPECT_EQ(bytes, 0U);
}

TEST(ProcessHandle, SaysItsVersion) { EXPECT_STREQ(onecopy_version(), ONECOPY_VERSION); }

}  // namespace
}  // namespace onecopy::test
