// Who may reach whom: semantics.md, section 4, row by row, by each engine and by all together.
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ostream>
#include <string>
#include <vector>

#include "contract.hpp"
#include "support/rights.hpp"

namespace onecopy::test {
namespace {

constexpr std::uint64_t net_raw = std::uint64_t{1} << 13;
constexpr std::uint64_t sys_ptrace = std::uint64_t{1} << 19;

struct Pair {
    const char* name;
    Identity caller;
    Identity target;
    bool by_call;  // process_vm_readv and writev
    bool by_mem;   // opening /proc/PID/mem
};

void PrintTo(const Pair& pair, std::ostream* out) { *out << pair.name; }

Identity changed(Identity who, int dumpable) {
    who.dumpable = dumpable;
    return who;
}
Identity with_group(Identity who, gid_t real, gid_t effective, gid_t saved) {
    who.gid = {real, effective, saved};
    return who;
}
Identity with_users(Identity who, uid_t real, uid_t effective, uid_t saved) {
    who.uid = {real, effective, saved};
    return who;
}
Identity with_capability(Identity who, std::uint64_t permitted, std::uint64_t effective) {
    who.permitted = permitted;
    who.effective = effective;
    return who;
}
Identity in_namespace(Identity who) {
    who.new_user_namespace = true;
    return who;
}

const Identity root{};
const Identity one = user(1000);
const Identity two = user(1001);

const Pair pairs[] = {
    {"RootToRoot", root, root, true, true},
    {"RootToUser", root, one, true, true},
    {"RootToUserNotDumpable", root, changed(one, 0), true, true},
    {"UserToRoot", one, root, false, false},
    {"UserToHimself", one, one, true, true},
    {"UserToAnother", one, two, false, false},
    {"OtherGroup", one, with_group(one, 1001, 1001, 1001), false, false},
    {"OtherSavedGroup", one, with_group(one, 1000, 1000, 1001), false, false},
    {"TargetNotDumpable", one, changed(one, 0), false, false},
    {"CallerNotDumpable", changed(one, 0), one, true, true},
    {"TargetThatDroppedRoot", one, changed(one, -1), false, false},
    {"TargetWithAnotherCapability", one, with_capability(one, net_raw, 0), false, false},
    {"CallerWithAnotherCapability", with_capability(one, net_raw, 0), one, true, true},
    {"CapabilityToTrace", with_capability(one, sys_ptrace, sys_ptrace), two, true, false},
    {"CapabilityToTraceNotEffective", with_capability(one, sys_ptrace, 0), two, false, false},
    {"SetuidProgramToItsUser", with_users(one, 1000, 0, 0), one, true, true},
    {"UserToSetuidProgram", one, with_users(one, 1000, 0, 0), false, false},
    {"RealRootActingAsUser", with_users(one, 0, 1000, 0), one, false, true},
    {"OuterNamespaceToInner", one, in_namespace(one), true, true},
    {"InnerNamespaceToOuter", in_namespace(one), one, false, false},
    {"NamespaceToItsSibling", in_namespace(one), in_namespace(one), false, false},
};

class Permission : public ::testing::TestWithParam<Pair> {};
INSTANTIATE_TEST_SUITE_P(, Permission, ::testing::ValuesIn(pairs),
                         [](const auto& pair) { return std::string(pair.param.name); });

/// unshare(CLONE_NEWUSER) is EINVAL then.
constexpr const char* several_threads =
    "a process with several threads (a sanitizer's) gets no user namespace of its own";

/// Turns a child into one of the identities of the table.
std::int64_t take_identity(const Words& words) {
    return become(*reinterpret_cast<const Identity*>(words[0]));
}

/// What each way answers to each direction.
struct Answers {
    int became;
    int access;
    int errors[4][2];  // of ways(), by direction
    bool right[4][2];
    bool still_alive;
};

Answers ask(const Process& process, const Process& held, const Memory& far, const Memory& near) {
    Answers answers{};
    answers.access = process.access().value();
    for (std::size_t i = 0; i < 4; ++i) {
        for (const Direction direction : {Direction::read, Direction::write}) {
            const auto d = static_cast<std::size_t>(direction);
            const std::size_t at = (2 * i + d) * 100;
            fill(near.span(), 9);
            const Segment local = near.span(at, 50);
            const RemoteSegment remote{far.address(at), 50};
            const Transfer got = transfer(ways()[i], direction, ways()[i].held ? held : process,
                                          std::span(&local, 1), std::span(&remote, 1));
            answers.errors[i][d] = got.error.value();
            const std::uint64_t moved = got.error ? 0 : 50;
            answers.right[i][d] = got.bytes == moved;
            if (direction == Direction::read) {
                answers.right[i][d] =
                    answers.right[i][d] && first_difference(local, got.error ? 9 : 5, at) == 50;
            }
        }
    }
    answers.still_alive = process.alive();
    return answers;
}

TEST_P(Permission, IsAsTheKernelSaysByEveryWay) {
    ONECOPY_NEEDS_ROOT();
    const Pair& pair = GetParam();
    const Memory far({Page::writable}, 5);
    const Memory near({Page::writable}, 9);
    Child target;
    const auto became_target = static_cast<int>(target.run(take_identity, &pair.target));
    if (became_target == EINVAL) GTEST_SKIP() << several_threads;
    ASSERT_EQ(became_target, 0);
    const Answers got = forked([&] {
        const int became = become(pair.caller);
        const Process process(target.pid());
        const Process held(target.pid(), {false, true});
        Answers answers = ask(process, held, far, near);
        answers.became = became;
        return answers;
    });
    if (got.became == EINVAL) GTEST_SKIP() << several_threads;
    ASSERT_EQ(got.became, 0);
    const int call = pair.by_call ? 0 : EPERM;
    const int mem = pair.by_mem ? 0 : EPERM;
    const int either = pair.by_call || pair.by_mem ? 0 : EPERM;
    EXPECT_EQ(got.access, either);
    EXPECT_TRUE(got.still_alive);
    const int wanted[4][2] = {{call, call}, {mem, mem}, {either, mem}, {either, either}};
    for (std::size_t i = 0; i < 4; ++i) {
        for (std::size_t d = 0; d < 2; ++d) {
            EXPECT_EQ(got.errors[i][d], wanted[i][d])
                << ways()[i].name << (d == 0 ? " read" : " write");
            EXPECT_TRUE(got.right[i][d]) << ways()[i].name << (d == 0 ? " read" : " write");
        }
    }
    // What a refused write left behind, and what a permitted one did.
    const Job check = [](const Words& w) -> std::int64_t {
        const std::span<const std::byte> there(reinterpret_cast<const std::byte*>(w[0]), 50);
        return first_difference(there, static_cast<unsigned>(w[1]), w[2]) == 50;
    };
    for (std::size_t i = 0; i < 4; ++i) {
        const std::size_t at = (2 * i + 1) * 100;
        EXPECT_EQ(target.run(check, far.address(at), wanted[i][1] == 0 ? 9 : 5, at), 1)
            << ways()[i].name;
    }
}

TEST(PermissionOfOneself, NeedsNoRight) {
    ONECOPY_NEEDS_ROOT();
    // Not dumpable: even one's own /proc/self/mem is closed, the system call is not.
    const Memory far({Page::writable}, 5);
    const Memory near({Page::writable}, 9);
    const Answers got = forked([&] {
        if (become(changed(one, 0)) != 0) return Answers{};
        const Process self = Process::self();
        return ask(self, self, far, near);
    });
    EXPECT_EQ(got.access, 0);
    EXPECT_TRUE(got.still_alive);
    const int wanted[4][2] = {{0, 0}, {EPERM, EPERM}, {0, 0}, {0, 0}};
    for (std::size_t i = 0; i < 4; ++i) {
        for (std::size_t d = 0; d < 2; ++d)
            EXPECT_EQ(got.errors[i][d], wanted[i][d]) << ways()[i].name;
    }
}

TEST(PermissionInsideANamespace, IsThatOfAnyTwoProcesses) {
    ONECOPY_NEEDS_ROOT();
    const Memory far({Page::writable}, 5);
    const Memory near({Page::writable}, 9);
    const Answers got = forked([&] {
        Answers answers{};
        answers.became = become(in_namespace(one));
        if (answers.became != 0) return answers;
        Child neighbour;
        const Process process(neighbour.pid());
        const Process held(neighbour.pid(), {false, true});
        return ask(process, held, far, near);
    });
    if (got.became == EINVAL) GTEST_SKIP() << several_threads;
    EXPECT_TRUE(got.still_alive);
    for (std::size_t i = 0; i < 4; ++i) {
        for (std::size_t d = 0; d < 2; ++d) EXPECT_EQ(got.errors[i][d], 0) << ways()[i].name;
    }
}

std::int64_t set_dumpable(const Words& words) {
    return ::prctl(PR_SET_DUMPABLE, static_cast<unsigned long>(words[0]));
}

/// A right is taken back, and given again, while a handle with open descriptors exists.
struct Revocation {
    Answers before, revoked, granted;
};

Revocation revoke(const std::vector<Refusal>& filter) {
    const Memory far({Page::writable}, 5);
    const Memory near({Page::writable}, 9);
    Child target;
    EXPECT_EQ(target.run(take_identity, &one), 0);
    return forked([&] {
        Revocation got{};
        if (become(one) != 0) return got;
        if (!filter.empty() && refuse(filter) != 0) return got;
        const Process process(target.pid());
        const Process held(target.pid(), {false, true});
        got.before = ask(process, held, far, near);
        target.run(set_dumpable, 0);
        got.revoked = ask(process, held, far, near);
        target.run(set_dumpable, 1);
        got.granted = ask(process, held, far, near);
        return got;
    });
}

TEST(Revocation, ARightThatIsTakenBackIsGoneAtTheNextTransferByEveryWay) {
    ONECOPY_NEEDS_ROOT();
    const Revocation got = revoke({});
    for (std::size_t i = 0; i < 4; ++i) {
        for (std::size_t d = 0; d < 2; ++d) {
            SCOPED_TRACE(std::string(ways()[i].name) + (d == 0 ? " read" : " write"));
            EXPECT_EQ(got.before.errors[i][d], 0);
            EXPECT_EQ(got.revoked.errors[i][d], EPERM);
            EXPECT_EQ(got.granted.errors[i][d], 0);
        }
    }
    EXPECT_EQ(got.before.access, 0);
    EXPECT_EQ(got.revoked.access, EPERM);
    EXPECT_EQ(got.granted.access, 0);
    EXPECT_TRUE(got.revoked.still_alive);
}

TEST(Revocation, IsNoticedWhereAFilterForbidsToAskTheKernelToo) {
    ONECOPY_NEEDS_ROOT();
    for (const int error : {EPERM, ENOSYS, EACCES}) {
        const Revocation got =
            revoke({{SYS_process_vm_readv, error}, {SYS_process_vm_writev, error}});
        for (std::size_t i = 1; i < 4; ++i) {  // without the system calls alone
            for (std::size_t d = 0; d < 2; ++d) {
                SCOPED_TRACE(std::string(ways()[i].name) + (d == 0 ? " read" : " write"));
                EXPECT_EQ(got.before.errors[i][d], 0);
                EXPECT_EQ(got.revoked.errors[i][d], EPERM);
                EXPECT_EQ(got.granted.errors[i][d], 0);
            }
        }
        EXPECT_EQ(got.before.access, 0);
        EXPECT_EQ(got.revoked.access, EPERM);
    }
}

TEST(Revocation, ARightThatIsGrantedAfterTheHandleWasOpenedCounts) {
    ONECOPY_NEEDS_ROOT();
    const Memory far({Page::writable}, 5);
    const Memory near({Page::writable}, 9);
    const Identity hidden = changed(one, 0);
    Child target;
    ASSERT_EQ(target.run(take_identity, &hidden), 0);
    struct Result {
        Answers before, after;
    };
    const auto got = forked([&] {
        Result result{};
        if (become(one) != 0) return result;
        const Process process(target.pid());
        const Process held(target.pid(), {false, true});
        result.before = ask(process, held, far, near);
        target.run(set_dumpable, 1);
        result.after = ask(process, held, far, near);
        return result;
    });
    for (std::size_t i = 0; i < 4; ++i) {
        for (std::size_t d = 0; d < 2; ++d) {
            EXPECT_EQ(got.before.errors[i][d], EPERM);
            EXPECT_EQ(got.after.errors[i][d], 0);
        }
    }
}

}  // namespace
}  // namespace onecopy::test
