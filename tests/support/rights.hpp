// Becoming somebody else, with fewer rights or fewer system calls. For processes of their own only:
// nothing of this can be undone.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <span>

namespace onecopy::test {

/// An ordinary user that no file of ours belongs to.
inline constexpr unsigned nobody_in_particular = 1000;

/// Who a process is. Source: credentials(7), capabilities(7).
struct Identity {
    std::array<uid_t, 3> uid{0, 0, 0};  // real, effective, saved
    std::array<gid_t, 3> gid{0, 0, 0};
    int dumpable = -1;            // PR_SET_DUMPABLE; -1: as the kernel leaves it
    std::uint64_t permitted = 0;  // capabilities kept over the change, by bit
    std::uint64_t effective = 0;
    bool new_user_namespace = false;
};

/// An ordinary, dumpable process of `id`.
constexpr Identity user(unsigned id = nobody_in_particular) noexcept {
    return {{id, id, id}, {id, id, id}, 1, 0, 0, false};
}

/// Turns this process into `who`; 0, or the errno of the step that was refused. Root (uid 0) is
/// left with all its capabilities.
int become(const Identity& who) noexcept;

/// A system call that is to fail with `error`; if `argument` is not -1, only when that argument's
/// low half lies in [low, high].
struct Refusal {
    long number;
    int error;
    int argument = -1;
    std::uint32_t low = 0;
    std::uint32_t high = 0;
};

/// Refuses these system calls to this process and its descendants; 0 or errno. Source: seccomp(2).
int refuse(std::span<const Refusal> calls) noexcept;

/// Whether the tests that need root's rights can run.
bool is_root() noexcept;

/// First line of a test that needs root.
#define ONECOPY_NEEDS_ROOT() \
    if (!::onecopy::test::is_root()) GTEST_SKIP() << "needs root: it becomes other users"

}  // namespace onecopy::test
