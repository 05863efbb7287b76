// What can be touched: exact, harmless, and the same answer with and without the newer advices.
#include "os/touch.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <thread>

#include "support/child.hpp"
#include "support/memory.hpp"
#include "support/rights.hpp"

namespace onecopy::test {
namespace {

using os::Touch;
using os::touchable;

/// The answers for pages of every kind, each behind a good one.
std::array<std::size_t, 12> answers() {
    using enum Page;
    std::array<std::size_t, 12> all{};
    std::size_t next = 0;
    for (const Page kind : {writable, read_only, no_access, write_only, exec_only, hole}) {
        const Memory memory({writable, kind}, 1);
        for (const Touch how : {Touch::read, Touch::write}) {
            all[next++] = touchable(memory.data() + 100, 2 * page - 100, how);
        }
    }
    return all;
}

void expect_right(const std::array<std::size_t, 12>& got) {
    const std::size_t good = 2 * page - 100;
    const std::size_t bad = page - 100;
    EXPECT_EQ(got[0], good);  // writable: read
    EXPECT_EQ(got[1], good);  //           write
    EXPECT_EQ(got[2], good);  // read-only
    EXPECT_EQ(got[3], bad);
    EXPECT_EQ(got[4], bad);  // no access
    EXPECT_EQ(got[5], bad);
    EXPECT_EQ(got[7], good);  // write-only; whether it can be read is the processor's to say
    EXPECT_EQ(got[9], bad);   // for execution only
    EXPECT_EQ(got[10], bad);  // not mapped
    EXPECT_EQ(got[11], bad);
}

TEST(Touchable, IsExactForPagesOfEveryKind) { expect_right(answers()); }

TEST(Touchable, IsExactWithoutTheNewerAdvices) {
    expect_right(forked([] {
        const std::array refusals{Refusal{SYS_madvise, EINVAL, 2, 20, 100}};
        return refuse(refusals) == 0 ? answers() : std::array<std::size_t, 12>{};
    }));
}

TEST(Touchable, IsExactWhereTheTransferCallsAreRefusedToo) {
    expect_right(forked([] {
        const std::array refusals{Refusal{SYS_madvise, EINVAL, 2, 20, 100},
                                  Refusal{SYS_process_vm_readv, EPERM},
                                  Refusal{SYS_process_vm_writev, EPERM}};
        return refuse(refusals) == 0 ? answers() : std::array<std::size_t, 12>{};
    }));
}

TEST(Touchable, NothingIsTouchableForNothing) {
    EXPECT_EQ(touchable(nullptr, 0, Touch::read), 0U);
    EXPECT_EQ(touchable(nullptr, 1, Touch::read), 0U);
    EXPECT_EQ(touchable(nullptr, ~std::size_t{0}, Touch::write), 0U);
}

TEST(Touchable, AFirstPageThatIsBadGivesNothing) {
    const Memory memory({Page::hole, Page::writable}, 1);
    EXPECT_EQ(touchable(memory.data() + 17, page, Touch::read), 0U);
    EXPECT_EQ(touchable(memory.data() + 17, page, Touch::write), 0U);
}

TEST(Touchable, APageOfAFileBeyondItsEndIsNotTouchableAndNoSignal) {
    const int file = ::memfd_create("touch", MFD_CLOEXEC);
    ASSERT_EQ(::ftruncate(file, static_cast<off_t>(page)), 0);
    const Memory memory(3 * page, PROT_READ | PROT_WRITE, MAP_SHARED, file);
    ::close(file);
    EXPECT_EQ(touchable(memory.data(), 3 * page, Touch::read), page);
    EXPECT_EQ(touchable(memory.data(), 3 * page, Touch::write), page);
}

TEST(Touchable, NeverChangesWhatAnotherThreadWrites) {
    // Both ways of touching, against a thread that counts in the very word that is touched.
    const auto lost = forked([] {
        const std::array refusals{Refusal{SYS_madvise, EINVAL, 2, 20, 100}};
        if (refuse(refusals) != 0) return -1L;
        const Memory memory(page);
        auto* const word = reinterpret_cast<std::atomic<long>*>(memory.data());
        constexpr long rounds = 100000;
        std::jthread counter([word] {
            for (long i = 0; i < rounds; ++i) word->fetch_add(1, std::memory_order_relaxed);
        });
        while (word->load(std::memory_order_relaxed) < rounds) {
            if (touchable(memory.data(), page, Touch::write) != page) return -2L;
            if (touchable(memory.data(), page, Touch::read) != page) return -3L;
        }
        return rounds - word->load();
    });
    EXPECT_EQ(lost, 0);
}

}  // namespace
}  // namespace onecopy::test
