// Numbers of bytes as users write them.
#include "os/byte_count.hpp"

#include <gtest/gtest.h>

namespace onecopy::os {
namespace {

TEST(ByteCount, IsWhatUsersWrite) {
    EXPECT_EQ(byte_count("0"), 0U);
    EXPECT_EQ(byte_count("65536"), 65536U);
    for (const char* text : {"64K", "64Ki", "64KB", "64KiB", "65536B"}) {
        EXPECT_EQ(byte_count(text), 65536U) << text;
    }
    EXPECT_EQ(byte_count("3M"), 3U << 20);
    EXPECT_EQ(byte_count("1G"), 1U << 30);
    EXPECT_EQ(byte_count("1048576G"), std::uint64_t{1} << 50);
}

TEST(ByteCount, IsNothingElse) {
    for (const char* text : {"", "K", "-1", "+1", " 1", "1 ", "64k", "64KK", "64i", "64iB", "1T",
                             "1.5M", "0x10", "1048577G", "18446744073709551616", "64K,128K"}) {
        EXPECT_FALSE(byte_count(text)) << text;
    }
}

}  // namespace
}  // namespace onecopy::os
