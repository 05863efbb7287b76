// A peer's arena, mapped here: views, windows, and the transfers that go through them.
#include "onecopy/attachment.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "attach/target.hpp"
#include "onecopy/arena.hpp"
#include "onecopy/transfer.hpp"
#include "os/fd.hpp"
#include "os/sealed_memfd.hpp"
#include "owner.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"

namespace onecopy::test {
namespace {

constexpr std::size_t mib = 1 << 20;
#define ONECOPY_OWNER(name, capacity) \
    Owner name(capacity);             \
    if (!(name).usable()) GTEST_SKIP() << "no pidfd_getfd here"

TEST(Attachment, ShowsAndChangesThePeersMemory) {
    ONECOPY_OWNER(owner, 64 * mib);
    const std::uint64_t block = owner.block(100000, 5);
    const Windows windows;
    const Attachment attachment(windows, owner.fd(), owner.base());
    EXPECT_EQ(attachment.capacity(), 64 * mib);
    std::error_code error;
    const View view = attachment.reach(block, 100000, error);
    ASSERT_FALSE(error);
    ASSERT_EQ(view.bytes().size(), 100000U);
    EXPECT_EQ(first_difference(view.bytes(), 5), 100000U);
    EXPECT_EQ(attachment.address_of(view), block);
    fill(view.bytes(), 6);
    EXPECT_EQ(owner.difference(block, 100000, 6), 100000U);
}

TEST(Attachment, MappingTouchesNothing) {
    ONECOPY_OWNER(owner, 64 * mib);
    const std::uint64_t block = owner.block(4096, 5);
    const std::size_t before = owner.resident();
    const Windows windows;
    const Attachment attachment(windows, owner.fd(), owner.base());
    std::error_code error;
    const View view = attachment.reach(owner.base(), 64 * mib, error);
    EXPECT_EQ(view.bytes().size(), 64 * mib);
    EXPECT_EQ(view.bytes()[static_cast<std::size_t>(block - owner.base())], pattern(5, 0));
    EXPECT_EQ(owner.resident(), before);
}

TEST(Attachment, KnowsItsBounds) {
    ONECOPY_OWNER(owner, 8 * mib);
    const Windows windows({.window_bytes = 2 * mib, .windows = 4});
    const Attachment attachment(windows, owner.fd(), owner.base());
    const std::uint64_t end = owner.base() + 8 * mib;
    EXPECT_TRUE(attachment.owns(owner.base(), 8 * mib));
    EXPECT_FALSE(attachment.owns(owner.base(), 8 * mib + 1));
    EXPECT_FALSE(attachment.owns(owner.base() - 1, 1));
    EXPECT_TRUE(attachment.owns(end, 0));
    EXPECT_FALSE(attachment.owns(end, 1));
    EXPECT_FALSE(attachment.owns(end - 1, UINT64_MAX));
    std::error_code error;
    EXPECT_TRUE(attachment.reach(end, 1, error).bytes().empty());
    EXPECT_EQ(error, std::errc::bad_address);
    EXPECT_EQ(attachment.reach(end - 10, 1000, error).bytes().size(), 10U);
    EXPECT_FALSE(error);
    // A window is what one view reaches at the most.
    EXPECT_EQ(attachment.reach(owner.base() + 2 * mib - 10, 1000, error).bytes().size(), 10U);
}

TEST(Attachment, ToWhatIsNoArenaIsRefused) {
    const Windows windows;
    EXPECT_THROW(Attachment(windows, ::memfd_create("plain", MFD_CLOEXEC), 1 << 20),
                 std::system_error);
    EXPECT_THROW(Attachment(windows, ::dup(0), 1 << 20), std::system_error);
    EXPECT_THROW(Attachment(windows, -1, 1 << 20), std::system_error);
    // Sealed, and still no arena.
    EXPECT_THROW(Attachment(windows, os::make_sealed_memfd("small", 4096).release(), 1 << 20),
                 std::system_error);
    EXPECT_THROW(Attachment(windows, os::make_sealed_memfd("zeros", 65536).release(), 1 << 20),
                 std::system_error);
    // An arena that stands somewhere else in its owner.
    const Arena arena({.capacity_bytes = mib});
    const auto base = reinterpret_cast<std::uintptr_t>(arena.range().data());
    const Attachment fine(windows, ::dup(arena.fd()), base);
    EXPECT_THROW(Attachment(windows, ::dup(arena.fd()), base + 4096), std::system_error);
    EXPECT_THROW(Attachment(windows, ::dup(arena.fd()), 0), std::system_error);
    EXPECT_THROW(Windows({.window_bytes = 3 * mib, .windows = 1}), std::system_error);
}

TEST(Attachment, WindowsAreBoundedAndTheLeastUsedGoes) {
    ONECOPY_OWNER(owner, 64 * mib);
    const Windows windows({.window_bytes = 2 * mib, .windows = 4});
    const Attachment attachment(windows, owner.fd(), owner.base());
    std::error_code error;
    const View held = attachment.reach(owner.base(), 1, error);
    held.bytes()[0] = std::byte{42};
    std::mt19937 dice(1);
    for (int i = 0; i < 500; ++i) {
        const std::uint64_t offset = dice() % 32 * 2 * mib;
        ASSERT_EQ(attachment.reach(owner.base() + offset, 8, error).bytes().size(), 8U);
        ASSERT_LE(windows.mapped(), 4U);
    }
    EXPECT_EQ(held.bytes()[0], std::byte{42});
    // More views than windows: all stay.
    std::vector<View> many;
    for (std::uint64_t i = 0; i < 16; ++i) {
        many.push_back(attachment.reach(owner.base() + i * 2 * mib, 8, error));
        many.back().bytes()[0] = static_cast<std::byte>(i);
    }
    for (std::size_t i = 0; i < 16; ++i) EXPECT_EQ(many[i].bytes()[0], static_cast<std::byte>(i));
    many.clear();
    EXPECT_FALSE(attachment.reach(owner.base() + 40 * mib, 8, error).bytes().empty());
    EXPECT_LE(windows.mapped(), 4U);
}

TEST(Attachment, AViewOutlivesItsAttachmentAndItsOwner) {
    ONECOPY_OWNER(owner, 8 * mib);
    const std::uint64_t block = owner.block(1000, 5);
    const Windows windows;
    View view;
    {
        const Attachment attachment(windows, owner.fd(), owner.base());
        std::error_code error;
        view = attachment.reach(block, 1000, error);
    }
    EXPECT_EQ(windows.mapped(), 0U);
    owner.child().reap();
    EXPECT_EQ(first_difference(view.bytes(), 5), 1000U);
}

/// A handle on the owner whose transfers go through the mapping.
struct Served {
    explicit Served(Owner& owner, WindowLimits limits = {.window_bytes = 2 * mib, .windows = 8})
        : windows(limits),
          attachment(windows, owner.fd(), owner.base()),
          process(owner.child().pid()) {
        attachment.serve(process);
    }
    Windows windows;
    Attachment attachment;
    Process process;
};

TEST(MappedEngine, CarriesReadsAndWrites) {
    ONECOPY_OWNER(owner, 64 * mib);
    const std::uint64_t block = owner.block(10 * mib, 5);
    Served served(owner);
    std::vector<std::byte> here(10 * mib);
    const Transfer got = read(served.process, block, here);
    EXPECT_FALSE(got.error);
    EXPECT_EQ(got.bytes, here.size());
    EXPECT_EQ(first_difference(here, 5), here.size());
    EXPECT_GT(served.windows.mapped(), 0U);  // it did go that way
    fill(here, 6);
    EXPECT_EQ(write(served.process, here, block).bytes, here.size());
    EXPECT_EQ(owner.difference(block, here.size(), 6), here.size());
}

TEST(MappedEngine, LeavesTheRestToTheOthers) {
    ONECOPY_OWNER(owner, 8 * mib);
    const std::uint64_t block = owner.block(5000, 5);
    // A static of the child: not in its arena.
    static std::array<std::byte, 3000> elsewhere;
    owner.child().run(
        [](const Words& words) -> std::int64_t {
            fill(bytes_in(words, 0), 7);
            return 0;
        },
        elsewhere.data(), elsewhere.size());
    Served served(owner);
    std::vector<std::byte> here(5000 + 3000 + 100);
    const std::array remote{
        RemoteSegment{block, 5000},
        RemoteSegment{reinterpret_cast<std::uintptr_t>(elsewhere.data()), elsewhere.size()},
        RemoteSegment{block, 100}};
    const Segment local(here);
    const Transfer got = read(served.process, remote, std::span(&local, 1));
    EXPECT_FALSE(got.error);
    EXPECT_EQ(got.bytes, here.size());
    EXPECT_EQ(first_difference(local.first(5000), 5), 5000U);
    EXPECT_EQ(first_difference(local.subspan(5000, 3000), 7), 3000U);
    EXPECT_EQ(first_difference(local.last(100), 5), 100U);
}

TEST(MappedEngine, StopsAtTheExactByteOfABadLocalPage) {
    ONECOPY_OWNER(owner, 8 * mib);
    const std::uint64_t block = owner.block(64 << 10, 5);
    Served served(owner);
    for (const Page bad : {Page::hole, Page::no_access, Page::read_only}) {
        const Memory near({Page::writable, Page::writable, bad}, 1);
        const Transfer got = read(served.process, block, near.span(100, 3 * page - 100));
        EXPECT_EQ(got.bytes, 2 * page - 100);
        EXPECT_EQ(got.error, std::errc::bad_address);
        EXPECT_EQ(first_difference(near.span(100, 2 * page - 100), 5), 2 * page - 100);
    }
    const Memory near({Page::writable, Page::hole}, 9);
    const Transfer put = write(served.process, near.span(50, page), block);
    EXPECT_EQ(put.bytes, page - 50);
    EXPECT_EQ(put.error, std::errc::bad_address);
}

TEST(MappedEngine, FromArenaToArenaEveryByteArrivesWhetherItIsOneWindowOrSeveral) {
    ONECOPY_OWNER(owner, 64 * mib);
    const std::uint64_t block = owner.block(10 * mib, 5);
    Served served(owner);
    Arena arena({.capacity_bytes = 16 * mib});
    auto* const place = static_cast<std::byte*>(arena.allocate(10 * mib, 64));
    for (const std::size_t bytes :
         {std::size_t{1}, std::size_t{8}, std::size_t{100001}, 10 * mib}) {
        const Segment here(place, bytes);
        fill(here, 9);
        EXPECT_EQ(read(served.process, block, here).bytes, bytes);
        EXPECT_EQ(first_difference(here, 5), bytes);
    }
    for (const std::size_t bytes :
         {std::size_t{1}, std::size_t{8}, std::size_t{100001}, 10 * mib}) {
        const Segment here(place, bytes);
        fill(here, static_cast<unsigned>(bytes % 251));
        EXPECT_EQ(write(served.process, here, block).bytes, bytes);
        EXPECT_EQ(owner.difference(block, bytes, static_cast<unsigned>(bytes % 251)), bytes);
    }
    EXPECT_EQ(read(served.process, block, Segment(place, 0)).bytes, 0U);
}

TEST(MappedEngine, ADeadOwnersMemoryIsNoSuccessForAnArenaEither) {
    ONECOPY_OWNER(owner, 8 * mib);
    const std::uint64_t block = owner.block(page, 5);
    Served served(owner);
    std::error_code error;
    const View view = served.attachment.reach(block, page, error);
    Arena arena({.capacity_bytes = mib});
    const Segment here(static_cast<std::byte*>(arena.allocate(page, 64)), page);
    fill(here, 6);
    owner.child().reap();
    EXPECT_EQ(write(served.process, here, block).error, std::errc::no_such_process);
    EXPECT_EQ(first_difference(view.bytes(), 5), page);  // nobody's memory, and left alone
    EXPECT_EQ(read(served.process, block, here).error, std::errc::no_such_process);
}

TEST(MappedEngine, ADeadOwnersMemoryIsNoSuccess) {
    ONECOPY_OWNER(owner, 8 * mib);
    const std::uint64_t block = owner.block(1000, 5);
    Served served(owner);
    std::array<std::byte, 1000> here{};
    EXPECT_EQ(read(served.process, block, here).bytes, 1000U);
    owner.child().kill();
    const Transfer got = read(served.process, block, here);
    EXPECT_EQ(got.bytes, 0U);
    EXPECT_EQ(got.error, std::errc::no_such_process);
    EXPECT_EQ(write(served.process, here, block).error, std::errc::no_such_process);
}

TEST(MappedEngine, ManyThreadsReadThroughFewWindows) {
    ONECOPY_OWNER(owner, 64 * mib);
    const std::uint64_t block = owner.block(40 * mib, 5);
    Served served(owner, {.window_bytes = 2 * mib, .windows = 3});
    std::atomic<int> wrong{0};
    {
        std::vector<std::jthread> threads;
        for (unsigned id = 0; id < 4; ++id) {
            threads.emplace_back([&, id] {
                std::mt19937 dice(id);
                std::vector<std::byte> here(300000);
                for (int i = 0; i < 200; ++i) {
                    const std::size_t bytes = dice() % here.size() + 1;
                    const std::uint64_t offset = dice() % (40 * mib - bytes);
                    const Segment local(here.data(), bytes);
                    const Transfer got = read(served.process, block + offset, local);
                    wrong += got.bytes != bytes || got.error ||
                             first_difference(local, 5, offset) != bytes;
                }
            });
        }
    }
    EXPECT_EQ(wrong, 0);
    EXPECT_LE(served.windows.mapped(), 3U + 4U);
}

}  // namespace
}  // namespace onecopy::test
