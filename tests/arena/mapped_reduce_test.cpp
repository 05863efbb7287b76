// Reductions straight on memory of a peer's arena, against the same ones by way of the tile.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include "onecopy/arena.hpp"
#include "onecopy/attachment.hpp"
#include "onecopy/reduce.hpp"
#include "os/fd.hpp"
#include "owner.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"

namespace onecopy::test {
namespace {

constexpr std::size_t mib = 1 << 20;

Transfer add(const Process& from, std::vector<std::byte>& local, RemoteSegment remote, Op op,
             Type type) {
    const Segment segment(local);
    return reduce(from, std::span(&segment, 1), std::span(&remote, 1), op, type);
}
Transfer add_into(const Process& to, const std::vector<std::byte>& local, RemoteSegment remote) {
    const ConstSegment segment(local);
    return reduce_into(to, std::span(&segment, 1), std::span(&remote, 1), Op::sum, Type::uint32);
}

/// A peer with a block in its arena, and two handles on it: one whose arena is mapped here, and one
/// that knows nothing of it.
class MappedReduce : public testing::Test {
protected:
    void SetUp() override {
        if (!owner_.usable()) GTEST_SKIP() << "no pidfd_getfd here";
        block_ = owner_.block(bytes, 5);
        attachment_.emplace(windows_, owner_.fd(), owner_.base());
        attachment_->serve(served_);
    }

    /// 2 MiB windows, and a block that lies across several.
    static constexpr std::size_t bytes = 5 * mib;
    Owner owner_{64 * mib};
    Windows windows_{{.window_bytes = 2 * mib, .windows = 4}};
    std::optional<Attachment> attachment_;
    std::uint64_t block_ = 0;
    Process served_{owner_.child().pid()}, plain_{owner_.child().pid()};
};

TEST_F(MappedReduce, GivesWhatTheTileGives) {
    struct Case {
        Type type;
        std::size_t element;
        Op op;
    };
    for (const auto& [type, element, op] :
         {Case{Type::uint64, 8, Op::sum}, Case{Type::uint8, 1, Op::max},
          Case{Type::long_int, 2 * sizeof(long), Op::maxloc}}) {
        std::vector<std::byte> one(bytes / element * element), other(one.size());
        fill(one, 9);
        fill(other, 9);
        const RemoteSegment remote{block_, one.size()};
        const Transfer fused = add(served_, one, remote, op, type);
        const Transfer tiled = add(plain_, other, remote, op, type);
        EXPECT_EQ(fused.error, tiled.error);
        EXPECT_EQ(fused.bytes, tiled.bytes);
        EXPECT_EQ(fused.bytes, one.size());
        EXPECT_TRUE(one == other);
    }
}

TEST_F(MappedReduce, ElementsAcrossWindowsAreWhole) {
    // Elements of 12 bytes at an odd place: the ends of the windows cut some.
    const auto add = [](const void* left, const void* right, void* result, std::size_t count,
                        void*) {
        for (std::size_t i = 0; i < count * 12; ++i) {
            static_cast<unsigned char*>(result)[i] =
                static_cast<unsigned char>(static_cast<const unsigned char*>(left)[i] +
                                           static_cast<const unsigned char*>(right)[i]);
        }
    };
    const Function function{add, 12, nullptr};
    std::vector<std::byte> one(4 * mib / 12 * 12), other(one.size());
    fill(one, 9);
    fill(other, 9);
    const RemoteSegment remote{block_ + 5, one.size()};
    EXPECT_EQ(reduce(served_, std::array{Segment(one)}, std::array{remote}, function).bytes,
              one.size());
    EXPECT_EQ(reduce(plain_, std::array{Segment(other)}, std::array{remote}, function).bytes,
              one.size());
    EXPECT_TRUE(one == other);
}

TEST_F(MappedReduce, IntoThePeerGivesWhatTheTileGives) {
    std::vector<std::byte> local(bytes);
    fill(local, 9);
    const RemoteSegment remote{block_, bytes};
    EXPECT_EQ(add_into(served_, local, remote).bytes, bytes);
    std::vector<std::byte> fused(bytes), expected(bytes);
    const Segment all(fused);
    ASSERT_EQ(read(plain_, std::span(&remote, 1), std::span(&all, 1)).bytes, bytes);
    fill(expected, 5);
    const auto sums = std::span(reinterpret_cast<std::uint32_t*>(expected.data()), bytes / 4);
    const auto added = std::span(reinterpret_cast<std::uint32_t*>(local.data()), bytes / 4);
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += added[i];
    EXPECT_TRUE(fused == expected);
}

TEST_F(MappedReduce, GoesOnBehindTheArenaByOtherWays) {
    // One run in the arena, one outside, one in the arena again.
    const auto outside =
        static_cast<std::uint64_t>(owner_.child().run([](const Words&) -> std::int64_t {
            auto* const memory = new std::array<std::uint32_t, 1000>;
            memory->fill(7);
            return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(memory->data()));
        }));
    const std::array<RemoteSegment, 3> remote{
        {{block_, 40000}, {outside, 4000}, {block_ + 3 * mib, 40000}}};
    std::vector<std::byte> one(84000), other(84000);
    fill(one, 9);
    fill(other, 9);
    EXPECT_EQ(reduce(served_, std::array{Segment(one)}, remote, Op::sum, Type::uint32).bytes,
              84000U);
    EXPECT_EQ(reduce(plain_, std::array{Segment(other)}, remote, Op::sum, Type::uint32).bytes,
              84000U);
    EXPECT_TRUE(one == other);
}

TEST_F(MappedReduce, OfAnOwnerThatHasEndedIsRefused) {
    owner_.child().kill();
    std::vector<std::byte> local(mib), before(mib);
    fill(local, 9);
    fill(before, 9);
    const RemoteSegment remote{block_, mib};
    const Transfer got = add(served_, local, remote, Op::sum, Type::uint32);
    EXPECT_EQ(got.error, std::errc::no_such_process);
    EXPECT_EQ(got.bytes, 0U);
    EXPECT_TRUE(local == before);
    const Transfer put = add_into(served_, local, remote);
    EXPECT_EQ(put.error, std::errc::no_such_process);
    EXPECT_EQ(put.bytes, 0U);
}

}  // namespace
}  // namespace onecopy::test
