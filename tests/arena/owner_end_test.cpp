// What peers have of an owner that becomes another program, ends a thread, or takes memory away;
// and what of all this a core dump holds.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "onecopy/arena.hpp"
#include "onecopy/attachment.hpp"
#include "onecopy/transfer.hpp"
#include "owner.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"

namespace onecopy::test {
namespace {

constexpr std::size_t mib = 1 << 20;

std::int64_t become_sleep(const Words&) { return ::execl("/bin/sleep", "sleep", "60", nullptr); }

bool runs_sleep(pid_t pid) {
    std::ifstream name("/proc/" + std::to_string(pid) + "/comm");
    std::string text;
    return static_cast<bool>(std::getline(name, text)) && text == "sleep";
}

/// The flags of the mapping that holds `address`, "rd wr ... dd ...".
std::string flags_of(const void* address) {
    std::ifstream maps("/proc/self/smaps");
    const auto wanted = reinterpret_cast<std::uintptr_t>(address);
    bool inside = false;
    for (std::string line; std::getline(maps, line);) {
        std::uintptr_t begin = 0, end = 0;
        char dash = 0;
        std::istringstream words(line);
        if (words >> std::hex >> begin >> dash >> end && dash == '-') {
            inside = wanted >= begin && wanted < end;
        } else if (inside && line.rfind("VmFlags:", 0) == 0) {
            return line;
        }
    }
    return {};
}

bool in_dumps(const void* address) { return flags_of(address).find(" dd") == std::string::npos; }

TEST(OwnerEnd, ByExecIsNoticedThoughTheMemoryIsStillThere) {
    Owner owner(64 * mib);
    if (!owner.usable()) GTEST_SKIP() << "no pidfd_getfd here";
    const std::uint64_t block = owner.block(100000, 5);
    const Windows windows;
    const Attachment attachment(windows, owner.fd(), owner.base());
    const Process process(owner.child().pid());
    attachment.serve(process);
    Arena own({.capacity_bytes = 64 * mib});  // so that the straight copy is met too
    const std::span<std::byte> buffer(static_cast<std::byte*>(own.allocate(100000, 64)), 100000);
    ASSERT_FALSE(read(process, block, buffer).error);
    EXPECT_EQ(first_difference(buffer, 5), 100000U);
    owner.child().start(become_sleep);
    ASSERT_TRUE(eventually([&] { return runs_sleep(owner.child().pid()); }));
    EXPECT_EQ(read(process, block, buffer).error, std::errc::no_such_process);
    EXPECT_EQ(write(process, buffer, block).error, std::errc::no_such_process);
    // Nor does a new handle mean the program that the arena was of.
    const Process after(owner.child().pid());
    EXPECT_THROW(attachment.serve(after), std::system_error);
}

TEST(OwnerEnd, OfTheThreadThatMadeItIsNotTheEnd) {
    Owner owner(64 * mib);
    if (!owner.usable()) GTEST_SKIP() << "no pidfd_getfd here";
    // Another arena, made by a thread that has ended.
    static Arena* late = nullptr;
    const auto base =
        static_cast<std::uint64_t>(owner.child().run([](const Words&) -> std::int64_t {
            std::thread([] { late = new Arena({.capacity_bytes = 16 * mib}); }).join();
            return static_cast<std::int64_t>(
                reinterpret_cast<std::uintptr_t>(late->range().data()));
        }));
    const auto fd = static_cast<int>(
        owner.child().run([](const Words&) -> std::int64_t { return late->fd(); }));
    const os::Fd pidfd(static_cast<int>(::syscall(pidfd_open_number, owner.child().pid(), 0U)));
    const Windows windows;
    const Attachment attachment(
        windows, static_cast<int>(::syscall(pidfd_getfd_number, pidfd.get(), fd, 0U)), base);
    const Process process(owner.child().pid());
    attachment.serve(process);
    std::array<std::byte, 1000> buffer{};
    EXPECT_FALSE(read(process, base, std::span(buffer)).error);
    // The next block that is handed out takes hold again.
    owner.child().run([](const Words&) -> std::int64_t {
        static_cast<void>(late->allocate(100000, 64));
        return 0;
    });
    EXPECT_FALSE(read(process, base, std::span(buffer)).error);
    owner.child().kill();
    EXPECT_EQ(read(process, base, std::span(buffer)).error, std::errc::no_such_process);
}

TEST(OwnerEnd, APunchedHoleIsZerosAndNoSignal) {
    Owner owner(64 * mib);
    if (!owner.usable()) GTEST_SKIP() << "no pidfd_getfd here";
    const std::uint64_t block = owner.block(mib, 5);
    const Windows windows;
    const Attachment attachment(windows, owner.fd(), owner.base());
    std::error_code error;
    const View view = attachment.reach(block, mib, error);
    EXPECT_EQ(first_difference(view.bytes(), 5), mib);
    owner.child().run(
        [](const Words& words) -> std::int64_t {
            return ::madvise(bytes_in(words, 0).data(), size_in(words, 1), MADV_REMOVE);
        },
        block, mib);
    for (const std::byte byte : view.bytes()) ASSERT_EQ(byte, std::byte{0});
}

TEST(CoreDumps, HoldBlocksAndNoPeers) {
    Arena arena({.capacity_bytes = 64 * mib});
    auto* const block = static_cast<std::byte*>(arena.allocate(4 * mib, 64));
    EXPECT_TRUE(in_dumps(block));
    EXPECT_FALSE(in_dumps(arena.range().data() + 32 * mib));  // handed out to nobody
    arena.deallocate(block, 4 * mib, 64);
    EXPECT_FALSE(in_dumps(arena.range().data()));
    const Windows windows;
    const Attachment attachment(windows, ::dup(arena.fd()),
                                reinterpret_cast<std::uintptr_t>(arena.range().data()));
    std::error_code error;
    const View view =
        attachment.reach(reinterpret_cast<std::uintptr_t>(arena.range().data()), page, error);
    ASSERT_FALSE(view.bytes().empty());
    EXPECT_FALSE(in_dumps(view.bytes().data()));
}

}  // namespace
}  // namespace onecopy::test
