// What people type.
#include "cli/arguments.hpp"

#include <gtest/gtest.h>

#include "cli/errors.hpp"

namespace onecopy::cli {
namespace {

/// The line of complaint, empty if there is none.
template <class Parse>
std::string complaint(Parse&& parse) {
    try {
        parse();
        return {};
    } catch (const WrongInput& error) {
        return error.what();
    }
}

TEST(Arguments, LengthsTakeSuffixesOfPowersOf1024) {
    EXPECT_EQ(parse_length("read", "0"), 0U);
    EXPECT_EQ(parse_length("read", "64"), 64U);
    EXPECT_EQ(parse_length("read", "0x40"), 64U);
    EXPECT_EQ(parse_length("read", "4K"), 4096U);
    EXPECT_EQ(parse_length("read", "4k"), 4096U);
    EXPECT_EQ(parse_length("read", "4KiB"), 4096U);
    EXPECT_EQ(parse_length("read", "3M"), 3U << 20);
    EXPECT_EQ(parse_length("read", "2G"), std::uint64_t{2} << 30);
    EXPECT_EQ(parse_length("read", "1T"), std::uint64_t{1} << 40);
    EXPECT_EQ(parse_length("read", "18446744073709551615"), ~std::uint64_t{0});
}

TEST(Arguments, LengthsThatAreNoneAreRefusedWithAnExample) {
    for (const char* text :
         {"", "K", "-1", "1.5M", "4KB", "4X", "4 K", "four", "0x", "4Kx", " 4"}) {
        EXPECT_NE(complaint([&] { parse_length("read", text); }).find("16K"), std::string::npos)
            << '"' << text << '"';
    }
    for (const char* text : {"18446744073709551616", "18446744073709551615K", "16777216T"}) {
        EXPECT_NE(complaint([&] { parse_length("read", text); }).find("64 bits"), std::string::npos)
            << text;
    }
}

TEST(Arguments, AddressesAreHexadecimalOnlyAfter0x) {
    EXPECT_EQ(parse_address("read", "0x7ffc1000"), 0x7ffc1000U);
    EXPECT_EQ(parse_address("read", "0XFF"), 255U);
    EXPECT_EQ(parse_address("read", "4096"), 4096U);
    EXPECT_NE(complaint([] { parse_address("read", "7ffd20"); }).find("write 0x7ffd20"),
              std::string::npos);
    for (const char* text : {"", "0x", "0xg", "-4096", "0x10 ", "main"}) {
        EXPECT_NE(complaint([&] { parse_address("read", text); }), "") << '"' << text << '"';
    }
    EXPECT_NE(complaint([] { parse_address("read", "0x10000000000000000"); }).find("64 bits"),
              std::string::npos);
}

TEST(Arguments, ProcessesAreNumbers) {
    EXPECT_EQ(parse_pid("read", "4711"), 4711);
    EXPECT_NE(complaint([] { parse_pid("read", "bash"); }).find("pidof"), std::string::npos);
    for (const char* text : {"", "0", "-1", "1x", "0x10", "99999999999"}) {
        EXPECT_NE(complaint([&] { parse_pid("read", text); }), "") << '"' << text << '"';
    }
}

TEST(Arguments, ARangeMayEndAtTheLastByteButNotBeyond) {
    EXPECT_EQ(complaint([] { check_range("read", ~std::uint64_t{0} - 9, 9); }), "");
    EXPECT_NE(complaint([] { check_range("read", ~std::uint64_t{0} - 9, 11); }), "");
}

TEST(Arguments, BytesAreExactWhileTheyAreShort) {
    EXPECT_EQ(bytes_text(0), "0 bytes");
    EXPECT_EQ(bytes_text(1), "1 byte");
    EXPECT_EQ(bytes_text(1023), "1023 bytes");
    EXPECT_EQ(bytes_text(1024), "1 KiB");
    EXPECT_EQ(bytes_text(1025), "1025 bytes");
    EXPECT_EQ(bytes_text(5U << 20), "5 MiB");
    EXPECT_EQ(bytes_text((3U << 20) / 2), "1.5 MiB");
    EXPECT_EQ(bytes_text(~std::uint64_t{0}), "16.0 EiB");
}

}  // namespace
}  // namespace onecopy::cli
