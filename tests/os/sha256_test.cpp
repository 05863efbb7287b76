#include "os/sha256.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace onecopy::os {
namespace {

std::vector<std::byte> counting(std::size_t count) {
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i < count; ++i) bytes.push_back(static_cast<std::byte>(i));
    return bytes;
}

std::string hex(const Digest& digest) {
    constexpr const char* digits = "0123456789abcdef";
    std::string text;
    for (const std::byte each : digest) {
        text += digits[std::to_integer<unsigned>(each) >> 4];
        text += digits[std::to_integer<unsigned>(each) & 15];
    }
    return text;
}

// The expected values are those of Python's hashlib and hmac.

TEST(Sha256, AgreesWithOthersOnBothSidesOfEveryBlocksEnd) {
    EXPECT_EQ(hex(sha256(counting(0))),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    EXPECT_EQ(hex(sha256(counting(3))),
              "ae4b3280e56e2faf83f414a6e3dabe9d5fbe18976544c05fed121accb85b53fc");
    EXPECT_EQ(hex(sha256(counting(55))),
              "463eb28e72f82e0a96c0a4cc53690c571281131f672aa229e0d45ae59b598b59");
    EXPECT_EQ(hex(sha256(counting(56))),
              "da2ae4d6b36748f2a318f23e7ab1dfdf45acdc9d049bd80e59de82a60895f562");
    EXPECT_EQ(hex(sha256(counting(63))),
              "29af2686fd53374a36b0846694cc342177e428d1647515f078784d69cdb9e488");
    EXPECT_EQ(hex(sha256(counting(64))),
              "fdeab9acf3710362bd2658cdc9a29e8f9c757fcf9811603a8c447cd1d9151108");
    EXPECT_EQ(hex(sha256(counting(65))),
              "4bfd2c8b6f1eec7a2afeb48b934ee4b2694182027e6d0fc075074f2fabb31781");
    EXPECT_EQ(hex(sha256(counting(119))),
              "da18797ed7c3a777f0847f429724a2d8cd5138e6ed2895c3fa1a6d39d18f7ec6");
    EXPECT_EQ(hex(sha256(counting(120))),
              "f52b23db1fbb6ded89ef42a23ce0c8922c45f25c50b568a93bf1c075420bbb7c");
    EXPECT_EQ(hex(sha256(counting(200))),
              "1901da1c9f699b48f6b2636e65cbf73abf99d0441ef67f5c540a42f7051dec6f");
}

TEST(Sha256, ProvesAKeyAsOthersDo) {
    EXPECT_EQ(hex(hmac_sha256(counting(0), counting(0))),
              "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    EXPECT_EQ(hex(hmac_sha256(counting(20), counting(50))),
              "cdc56a084784b674298595a13fa78c41fdadbeef0464abc7038810509a62c4a0");
    EXPECT_EQ(hex(hmac_sha256(counting(64), counting(64))),
              "c4aaa100f785d6b12dd6fc8a0fc97db70e77ccc09cd95ba3bc1b5ebd66b5053a");
    EXPECT_EQ(hex(hmac_sha256(counting(65), counting(3))),
              "791b977bd7ebde0fee9860865d31fde03778f6f4fd3b1e5ce1343ec32f7392ef");
    EXPECT_EQ(hex(hmac_sha256(counting(131), counting(152))),
              "35bd934fbec8b27884f905147c7614a027cfd0436aeaa68cae8f1f62835ad92e");
}

TEST(Sha256, DigestsThatDifferInOneBitAreNotTheSame) {
    const Digest one = sha256(counting(5));
    EXPECT_TRUE(same_digest(one, one));
    for (std::size_t i = 0; i < one.size(); ++i) {
        Digest other = one;
        other[i] ^= std::byte{0x10};
        EXPECT_FALSE(same_digest(one, other));
    }
}

}  // namespace
}  // namespace onecopy::os
