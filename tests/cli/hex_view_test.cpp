#include "cli/hex_view.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string_view>

namespace onecopy::cli {
namespace {

std::string view(std::uint64_t address, std::string_view bytes, std::size_t piece = 1000) {
    HexView hex(address);
    std::string out;
    const auto all = std::as_bytes(std::span(bytes));
    for (std::size_t at = 0; at < all.size(); at += piece) {
        out += hex.add(all.subspan(at, std::min(piece, all.size() - at)));
    }
    return out + hex.finish();
}

TEST(HexView, ShowsAddressDigitsAndText) {
    EXPECT_EQ(view(0x7ffc10a05000, std::string_view("Hello, world\n\0\xff~", 16)),
              "7ffc10a05000  48 65 6c 6c 6f 2c 20 77  6f 72 6c 64 0a 00 ff 7e  "
              "|Hello, world...~|\n");
}

TEST(HexView, LinesBeginAtMultiplesOf16AndMissingBytesAreBlank) {
    EXPECT_EQ(view(0x100d, "ABCDE"),
              "000000001000                                          41 42 43  |             ABC|\n"
              "000000001010  44 45                                             |DE|\n");
}

TEST(HexView, AStarStandsForEqualLinesButTheLastLineIsShown) {
    EXPECT_EQ(view(0, std::string(64, 'a') + "b"),
              "000000000000  61 61 61 61 61 61 61 61  61 61 61 61 61 61 61 61  "
              "|aaaaaaaaaaaaaaaa|\n*\n"
              "000000000040  62                                                |b|\n");
    EXPECT_EQ(view(0, std::string(48, 'a')),
              "000000000000  61 61 61 61 61 61 61 61  61 61 61 61 61 61 61 61  "
              "|aaaaaaaaaaaaaaaa|\n*\n"
              "000000000020  61 61 61 61 61 61 61 61  61 61 61 61 61 61 61 61  "
              "|aaaaaaaaaaaaaaaa|\n");
}

TEST(HexView, NothingGivesNothing) { EXPECT_EQ(view(0x1234, ""), ""); }

TEST(HexView, TheLastLineOfTheAddressSpaceDoesNotWrapTheColumns) {
    EXPECT_EQ(view(~std::uint64_t{0} - 1, "zz").substr(0, 16), "fffffffffffffff0");
}

RC_GTEST_PROP(HexView, TheSameBytesGiveTheSameLinesInPiecesOfAnySize, ()) {
    // Long, and nearly all the same letter, so that lines repeat.
    const auto bytes =
        *rc::gen::container<std::string>(*rc::gen::inRange<std::size_t>(0, 400),
                                         rc::gen::weightedElement<char>({{100, 'a'}, {1, 'b'}}));
    const auto address = *rc::gen::inRange<std::uint64_t>(0, 64);
    RC_ASSERT(view(address, bytes, *rc::gen::inRange<std::size_t>(1, 40)) == view(address, bytes));
}

}  // namespace
}  // namespace onecopy::cli
