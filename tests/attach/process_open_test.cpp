// Opening a Process: which numbers name one, and what it costs.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <string>
#include <thread>

#include "contract.hpp"
#include "support/rights.hpp"

namespace onecopy::test {
namespace {

int open_error(int pid) {
    std::error_code error;
    const Process process(pid, {}, error);
    EXPECT_EQ(process.empty(), static_cast<bool>(error));
    EXPECT_EQ(process.pid(), error ? -1 : pid);
    return error.value();
}

int descriptors_in_use() {
    int used = 0;
    for (int fd = 0; fd < 1024; ++fd) used += ::fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return used;
}

/// Limits this process to `count` descriptors more than it has.
void allow_descriptors(int count) {
    rlim_t limit = 0;
    for (int free = 0; free < count || ::fcntl(static_cast<int>(limit), F_GETFD) >= 0; ++limit) {
        free += ::fcntl(static_cast<int>(limit), F_GETFD) < 0 ? 1 : 0;
    }
    const rlimit limits{limit, 1024};
    ::setrlimit(RLIMIT_NOFILE, &limits);
}

TEST(ProcessOpen, NumbersThatNameNoProcessAreRefused) {
    for (const int pid : {0, -1, INT_MIN, INT_MAX, -::getpgrp()})
        EXPECT_EQ(open_error(pid), ESRCH) << pid;
    try {
        const Process process(-1);
        ADD_FAILURE() << "no exception";
    } catch (const std::system_error& thrown) {
        EXPECT_EQ(thrown.code().value(), ESRCH);
        EXPECT_NE(std::string(thrown.what()).find("onecopy: open process -1"), std::string::npos);
    }
}

TEST(ProcessOpen, AThreadsNumberIsRefused) {
    int result = 0;
    std::thread([&] { result = open_error(static_cast<int>(::syscall(SYS_gettid))); }).join();
    EXPECT_EQ(result, ESRCH);
}

TEST(ProcessOpen, AReapedProcessIsRefused) {
    Child child;
    const int pid = child.pid();
    child.reap();
    EXPECT_EQ(open_error(pid), ESRCH);
}

TEST(ProcessOpen, TakesAtMostFourDescriptorsAndGivesThemBack) {
    const Memory far(page);
    Child child;
    const int before = descriptors_in_use();
    {
        const Process process(child.pid());
        EXPECT_EQ(write(process, far.span(0, 8), far.address()).bytes, 8U);
        EXPECT_LE(descriptors_in_use(), before + 4);
        Process moved = Process(child.pid());
        moved = Process(child.pid());
    }
    EXPECT_EQ(descriptors_in_use(), before);
}

TEST(ProcessOpen, DescriptorsAreNotInheritedByPrograms) {
    Child child;
    const Memory far(page);
    const int before = descriptors_in_use();
    const Process process(child.pid());
    (void)write(process, far.span(0, 8), far.address());
    for (int fd = 0; fd < before + 8; ++fd) {
        std::array<char, 64> target{};
        const std::string path = "/proc/self/fd/" + std::to_string(fd);
        if (::readlink(path.c_str(), target.data(), target.size() - 1) < 0) continue;
        const std::string name(target.data());
        if (name.find("pidfd") == std::string::npos && name.find("epoll") == std::string::npos &&
            name.find("/proc/") != 0) {
            continue;
        }
        EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0) << name;
    }
}

TEST(ProcessOpen, WithoutFreeDescriptorsItSaysSoAndLeaksNone) {
    struct Result {
        std::array<int, 6> errors;
        std::array<int, 6> leaked;
        std::array<std::uint64_t, 6> read;
        std::array<int, 6> write_errors;
    };
    const Memory far({Page::writable}, 5);
    Child child;
    const auto result = forked([&] {
        Result seen{};
        for (int i = 0; i < 6; ++i) {
            allow_descriptors(i);
            const int before = descriptors_in_use();
            {
                std::error_code error;
                const Process process(child.pid(), {}, error);
                seen.errors[static_cast<std::size_t>(i)] = error.value();
                std::array<std::byte, 8> bytes{};
                if (!error) {
                    seen.read[static_cast<std::size_t>(i)] =
                        read(process, far.address(), bytes).bytes;
                    seen.write_errors[static_cast<std::size_t>(i)] =
                        write(process, bytes, far.address()).error.value();
                }
            }
            seen.leaked[static_cast<std::size_t>(i)] = descriptors_in_use() - before;
        }
        return seen;
    });
    for (std::size_t i = 0; i < 6; ++i) {
        SCOPED_TRACE(std::to_string(i) + " descriptors are free");
        EXPECT_EQ(result.leaked[i], 0);
        EXPECT_TRUE(result.errors[i] == EMFILE || (i >= 2 && result.errors[i] == 0));
        EXPECT_TRUE(result.errors[i] == 0 || i <= 3);
        if (result.errors[i] == 0) {
            EXPECT_EQ(result.read[i], 8U);
            const int wrote = result.write_errors[i];
            EXPECT_TRUE(i > 3 ? wrote == 0 : wrote == 0 || wrote == EMFILE) << wrote;
        }
    }
}

}  // namespace
}  // namespace onecopy::test
