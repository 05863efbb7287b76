// Windows over memory that a rank may not reach: all ranks hear of it, and allocate() helps.
#include <fcntl.h>
#include <sys/syscall.h>

#include <string>

#include "support/rights.hpp"
#include "windows.hpp"

namespace onecopy::test {
namespace {

/// Leaves this process no right to read the memory of another one, as it is asked for: by the call,
/// and by opening its /proc/PID/mem, as Yama would. (A descriptor of an arena is opened for
/// writing.)
void refuse_calls() {
    const std::array<test::Refusal, 3> calls{{{SYS_process_vm_readv, EPERM},
                                              {SYS_process_vm_writev, EPERM},
                                              {SYS_openat, EACCES, 2, O_CLOEXEC, O_CLOEXEC}}};
    ASSERT_EQ(test::refuse(calls), 0);
}

/// On old kernels handles on processes need what the filter refuses.
bool is_old_kernel() {
    const int fd = static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0));
    if (fd >= 0) ::close(fd);
    return fd < 0;
}

TEST(WindowRefusals, OrdinaryMemoryThatARankMayNotReachIsRefusedAtAllAndAllocatedIsFine) {
    if (sizeof(void*) == 4) GTEST_SKIP() << "the filter knows the calls of 64 bits";
    if (is_old_kernel()) GTEST_SKIP() << "no pidfd_open";
    for (const int refused : {0, 1, 2}) {
        EXPECT_RANKS(3, [refused](Node& node) {
            if (node.rank() == refused) refuse_calls();
            const std::size_t arena_bytes = node.arena().usage().handed_out;
            std::vector<std::byte> memory(1000);
            for (int i = 0; i < 3; ++i) {
                try {
                    Window::create(node.world(), memory);
                    ADD_FAILURE() << "not refused";
                } catch (const std::system_error& error) {
                    EXPECT_EQ(error.code(), std::errc::operation_not_permitted);
                    const std::string text = error.what();
                    EXPECT_NE(text.find("allocate()"), std::string::npos) << text;
                }
            }
            EXPECT_EQ(node.arena().usage().handed_out, arena_bytes);
            AnyWindow any(node, From::allocate, 64);
            EXPECT_GE(any.window.fetch_and_op(1, 0, 0, Op::sum), 0);
            any.window.fence();
            if (node.rank() == 0) {
                EXPECT_EQ(own<int>(any.window)[0], 3);
            }
        });
    }
}

TEST(WindowRefusals, NobodyNeedsARightForWhatHasNoBytesOrIsItsOwn) {
    if (is_old_kernel()) GTEST_SKIP() << "no pidfd_open";
    EXPECT_RANKS(2, [](Node& node) {
        if (node.rank() == 1) refuse_calls();
        // Rank 1 may not reach rank 0, which gives nothing; rank 0 reaches rank 1.
        std::vector<int> memory(node.rank() == 1 ? 10 : 0);
        Window window = Window::create(node.world(), std::as_writable_bytes(std::span(memory)));
        window.accumulate(std::vector<int>(10, 1), 1, 0, Op::sum);
        window.fence();
        EXPECT_EQ(memory, std::vector<int>(memory.size(), 2));
    });
}

TEST(WindowRefusals, AnArenaOfAnotherUserIsRefusedAtAllRanks) {
    ONECOPY_NEEDS_ROOT();
    EXPECT_RANKS(2, [](Node& node) {
        if (node.rank() == 1) {
            ASSERT_EQ(test::become(test::user()), 0);
        }
        try {
            AnyWindow any(node, From::allocate, 64);
            ADD_FAILURE() << "not refused";
        } catch (const std::system_error& error) {
            EXPECT_EQ(error.code(), std::errc::operation_not_permitted) << error.what();
        }
    });
}

}  // namespace
}  // namespace onecopy::test
