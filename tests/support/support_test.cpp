// The tools of the tests, tested: a helper that lies makes every suite green.
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "support/child.hpp"
#include "support/memory.hpp"
#include "support/rights.hpp"
#include "support/userfault.hpp"

namespace onecopy::test {
namespace {

TEST(Child, RunsJobsInAProcessOfItsOwn) {
    Child child;
    EXPECT_EQ(child.run([](const Words&) -> std::int64_t { return ::getpid(); }), child.pid());
    const Job sum = [](const Words& words) {
        return static_cast<std::int64_t>(words[0] + words[1]);
    };
    EXPECT_EQ(child.run(sum, 40, 2), 42);
}

TEST(Child, HasCopiesOfMemoryAtTheSameAddresses) {
    const Memory memory({Page::writable}, 7);
    Child child;
    fill(memory.span(), 8);
    const Job look = [](const Words& words) {
        return static_cast<std::int64_t>(*reinterpret_cast<unsigned char*>(words[0]));
    };
    EXPECT_EQ(child.run(look, memory.data() + 5), static_cast<int>(pattern(7, 5)));
}

TEST(Child, ThatDiesInAJobIsAnErrorAndNotAHang) {
    Child child;
    EXPECT_THROW(child.run([](const Words&) -> std::int64_t { ::_exit(3); }), std::runtime_error);
}

TEST(Child, IsGoneOnceItsOwnerIs) {
    pid_t pid = 0;
    {
        const Child child;
        pid = child.pid();
        EXPECT_EQ(::kill(pid, 0), 0);
    }
    EXPECT_EQ(::kill(pid, 0), -1);
    EXPECT_EQ(errno, ESRCH);
}

TEST(Child, DiesWithTheProcessThatMadeIt) {
    ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1), 0);  // the orphan becomes ours, to be reaped
    const pid_t orphan = forked([] {
        static Child child;  // never destroyed: the process ends by _exit
        return static_cast<pid_t>(
            child.run([](const Words&) -> std::int64_t { return ::getpid(); }));
    });
    int status = 0;
    EXPECT_TRUE(eventually([&] { return ::waitpid(orphan, &status, WNOHANG) == orphan; }));
}

TEST(Child, CanBeGivenTheNumberOfADeadOne) {
    ONECOPY_NEEDS_ROOT();
    Child first;
    const pid_t number = first.pid();
    first.reap();
    Child second(number);
    EXPECT_EQ(second.run([](const Words&) -> std::int64_t { return ::getpid(); }), number);
}

TEST(Memory, HolesStayHolesWhateverIsMappedLater) {
    const Memory memory({Page::writable, Page::hole, Page::writable}, 1);
    std::array<void*, 64> others{};
    for (void*& other : others) {
        other = ::mmap(nullptr, page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    }
    EXPECT_EQ(::msync(memory.data() + page, page, MS_ASYNC), -1);
    EXPECT_EQ(errno, ENOMEM);
    for (void* other : others) ::munmap(other, page);
}

TEST(Pattern, TellsWhereMemoryFirstDiffers) {
    std::array<std::byte, 100> bytes{};
    fill(bytes, 3, 1000);
    EXPECT_EQ(first_difference(bytes, 3, 1000), bytes.size());
    EXPECT_LT(first_difference(bytes, 4, 1000), 4U);
    bytes[77] ^= std::byte{1};
    EXPECT_EQ(first_difference(bytes, 3, 1000), 77U);
}

TEST(Refuse, AnswersWithTheErrnoAndOnlyForTheNamedArguments) {
    const auto errors = forked([] {
        std::array<int, 3> seen{};
        const std::array refusals{Refusal{SYS_getppid, ENOTTY},
                                  Refusal{SYS_madvise, EINVAL, 2, 20, 25}};
        seen[0] = refuse(refusals);
        seen[1] = ::syscall(SYS_getppid) < 0 ? errno : 0;
        const Memory memory(page);
        // 4 is MADV_DONTNEED, which stays permitted; 21 is MADV_PAGEOUT.
        if (::madvise(memory.data(), page, 4) != 0) seen[2] = -1;
        if (::madvise(memory.data(), page, 21) == 0 || errno != EINVAL) seen[2] = -2;
        return seen;
    });
    EXPECT_EQ(errors, (std::array<int, 3>{0, ENOTTY, 0}));
}

TEST(Become, LeavesNothingOfRoot) {
    ONECOPY_NEEDS_ROOT();
    const int right = forked([] {
        if (const int error = become(user())) return error;
        return ::getuid() == nobody_in_particular && ::setuid(0) != 0 ? 0 : -1;
    });
    EXPECT_EQ(right, 0);
}

TEST(Userfault, HoldsAReaderInTheKernelUntilItIsServed) {
    ONECOPY_NEEDS_ROOT();
    const Memory memory(page);
    Child target;
    static Userfault* fault = nullptr;  // in the child
    ASSERT_EQ(target.run(
                  [](const Words& words) -> std::int64_t {
                      int error = 0;
                      fault = new Userfault(reinterpret_cast<void*>(words[0]), page, error);
                      return error;
                  },
                  memory.data()),
              0);
    target.start(
        [](const Words& words) -> std::int64_t {
            const std::uint64_t at = fault->next_fault();
            if (at != words[0]) return -1;
            return fault->serve(reinterpret_cast<void*>(at), 42);
        },
        memory.data());
    char got = 0;
    const iovec local{&got, 1};
    const iovec remote{memory.data(), 1};
    EXPECT_EQ(::process_vm_readv(target.pid(), &local, 1, &remote, 1, 0), 1);
    EXPECT_EQ(got, 42);
    EXPECT_EQ(target.finish(), 0);
}

}  // namespace
}  // namespace onecopy::test
