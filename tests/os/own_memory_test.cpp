// Which memory of this process can be copied by the processor itself.
#include "os/own_memory.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "support/memory.hpp"

namespace onecopy::test {
namespace {

using os::GoodMemory;

TEST(OwnMemory, EndsAtTheFirstPageThatCannotBeTouched) {
    const Memory memory({Page::writable, Page::read_only, Page::no_access, Page::writable}, 1);
    EXPECT_EQ(os::accessible(memory.data(), 4 * page, os::Touch::write), page);
    EXPECT_EQ(os::accessible(memory.data(), 4 * page, os::Touch::read), 2 * page);
    EXPECT_EQ(os::accessible(memory.data() + 2 * page, page, os::Touch::read), 0U);
    EXPECT_EQ(os::accessible(memory.data() + 3 * page + 7, page - 7, os::Touch::write), page - 7);
}

TEST(OwnMemory, CoversWhatIsDeclaredAndNoByteMore) {
    const Memory memory(4 * page);
    std::byte* const start = memory.data() + page;
    EXPECT_FALSE(GoodMemory::covers(start, 1));
    {
        const GoodMemory good({start, 2 * page});
        EXPECT_TRUE(GoodMemory::covers(start, 2 * page));
        EXPECT_TRUE(GoodMemory::covers(start + 2 * page - 1, 1));
        EXPECT_FALSE(GoodMemory::covers(start - 1, 1));
        EXPECT_FALSE(GoodMemory::covers(start - 1, 2));
        EXPECT_FALSE(GoodMemory::covers(start, 2 * page + 1));
        EXPECT_FALSE(GoodMemory::covers(start + 2 * page, 1));
        EXPECT_FALSE(GoodMemory::covers(start + 1, SIZE_MAX));
    }
    EXPECT_FALSE(GoodMemory::covers(start, 1));
}

TEST(OwnMemory, ForgetsDeclarationsThatAreTooMany) {
    const Memory memory(page);
    std::vector<std::unique_ptr<GoodMemory>> many;
    for (int i = 0; i < 1000; ++i) many.push_back(std::make_unique<GoodMemory>(memory.span()));
    EXPECT_TRUE(GoodMemory::covers(memory.data(), page));
    many.clear();
    EXPECT_FALSE(GoodMemory::covers(memory.data(), page));
}

TEST(OwnMemory, NeverMixesTwoDeclarations) {
    // Two runs, declared by turns in the same place: from the start of one to the end of the other
    // is never covered.
    const Memory memory(64 * page);
    std::atomic<bool> stop{false};
    std::thread declarer([&] {
        while (!stop) {
            { const GoodMemory low({memory.data(), page}); }
            { const GoodMemory high({memory.data() + 63 * page, page}); }
        }
    });
    for (int i = 0; i < 200000; ++i) EXPECT_FALSE(GoodMemory::covers(memory.data(), 2 * page));
    stop = true;
    declarer.join();
}

}  // namespace
}  // namespace onecopy::test
