// Memory of every kind: semantics.md, sections 1 and 11.
#include <fcntl.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "contract.hpp"
#include "os/fd.hpp"

namespace onecopy::test {
namespace {

/// An unnamed file of `bytes`, filled with pattern 11.
os::Fd file_of(std::size_t bytes) {
    os::Fd file(::memfd_create("contract", MFD_CLOEXEC));
    std::vector<std::byte> contents(bytes);
    fill(contents, 11);
    EXPECT_EQ(::pwrite(file.get(), contents.data(), bytes, 0), static_cast<ssize_t>(bytes));
    return file;
}

std::byte byte_of_file(const os::Fd& file, std::size_t at) {
    std::byte byte{};
    EXPECT_EQ(::pread(file.get(), &byte, 1, static_cast<off_t>(at)), 1);
    return byte;
}

std::int64_t look(const Words& words) {
    return *reinterpret_cast<volatile unsigned char*>(words[0]);
}

TEST_P(EngineContract, TheTailOfAFilesLastPageIsMemory) {
    const os::Fd file = file_of(page + 100);
    const Memory far(4 * page, PROT_READ | PROT_WRITE, MAP_SHARED, file.get());
    const Memory near(page);
    Child child;
    const Transfer got = move(open(child), near.span(0, 16), far.address(page + 200));
    EXPECT_EQ(got.bytes, 16U);
    EXPECT_FALSE(got.error);
    struct stat about {};
    EXPECT_EQ(::fstat(file.get(), &about), 0);
    EXPECT_EQ(about.st_size, static_cast<off_t>(page + 100));
}

TEST_P(EngineContract, PagesOfAMappingBeyondTheEndOfItsFileAreFaultsAndNoSignal) {
    const os::Fd file = file_of(page + 100);
    for (const int sharing : {MAP_SHARED, MAP_PRIVATE}) {
        const Memory far(4 * page, PROT_READ | PROT_WRITE, sharing, file.get());
        const Memory near(4 * page);
        Child child;
        const Process process = open(child);
        const Transfer beyond = move(process, near.span(0, 16), far.address(2 * page));
        EXPECT_EQ(beyond.bytes, 0U);
        EXPECT_EQ(beyond.error.value(), EFAULT);
        const Transfer all = move(process, near.span(), far.address());
        EXPECT_EQ(all.bytes, 2 * page);
        EXPECT_EQ(all.error.value(), EFAULT);
        EXPECT_TRUE(process.alive());
    }
}

TEST_P(EngineContract, ALocalMappingBeyondTheEndOfItsFileIsAFaultAndNoSignal) {
    const os::Fd file = file_of(page);
    const Memory near(3 * page, PROT_READ | PROT_WRITE, MAP_SHARED, file.get());
    const Memory far(3 * page);
    Child child;
    const Transfer got = move(open(child), near.span(50, 2 * page), far.address());
    EXPECT_EQ(got.bytes, page - 50);
    EXPECT_EQ(got.error.value(), EFAULT);
}

TEST_P(EngineContract, APrivateFilePageIsTheTargetsAndNotTheFiles) {
    const os::Fd file = file_of(page);
    const Memory far(page, PROT_READ | PROT_WRITE, MAP_PRIVATE, file.get());
    const Memory near(page);
    near.data()[0] = std::byte{200};
    Child child;
    const Transfer got = move(open(child), near.span(0, 1), far.address(5));
    EXPECT_EQ(got.bytes, 1U);
    EXPECT_EQ(near.data()[0], reading() ? pattern(11, 5) : std::byte{200});
    EXPECT_EQ(child.run(look, far.address(5)), reading() ? static_cast<int>(pattern(11, 5)) : 200);
    EXPECT_EQ(byte_of_file(file, 5), pattern(11, 5));
}

TEST_P(EngineContract, ASharedFilePageIsTheFile) {
    const os::Fd file = file_of(page);
    const Memory far(page, PROT_READ | PROT_WRITE, MAP_SHARED, file.get());
    const Memory near(page);
    near.data()[0] = std::byte{200};
    Child child;
    EXPECT_EQ(move(open(child), near.span(0, 1), far.address(5)).bytes, 1U);
    EXPECT_EQ(byte_of_file(file, 5), near.data()[0]);
}

TEST_P(EngineContract, AReadOnlySharedMappingIsNeverWritten) {
    const os::Fd file = file_of(page);
    const Memory far(page, PROT_READ, MAP_SHARED, file.get());
    const Memory near(page);
    Child child;
    const Transfer got = move(open(child), near.span(0, 16), far.address());
    EXPECT_EQ(got.bytes, reading() ? 16U : 0U);
    EXPECT_EQ(got.error.value(), reading() ? 0 : EFAULT);
    EXPECT_EQ(byte_of_file(file, 3), pattern(11, 3));
}

TEST_P(EngineContract, RelativesThatShareAPageCopyOnWriteKeepTheOldValue) {
    // The target shares the page with us, its parent, and with its own child.
    const Memory far({Page::writable}, 3);
    Child child;
    static Child* grandchild = nullptr;  // in the child
    ASSERT_GT(child.run([](const Words&) -> std::int64_t {
        grandchild = new Child;
        return grandchild->pid();
    }),
              0);
    const Memory near(page);
    near.data()[0] = std::byte{200};
    EXPECT_EQ(move(open(child), near.span(0, 1), far.address(7)).bytes, 1U);
    const auto old = pattern(3, 7);
    EXPECT_EQ(far.data()[7], old);
    const auto in_the_grandchild = [](const Words& words) {
        return grandchild->run(look, words[0]);
    };
    EXPECT_EQ(child.run(in_the_grandchild, far.address(7)), static_cast<int>(old));
    EXPECT_EQ(child.run(look, far.address(7)), reading() ? static_cast<int>(old) : 200);
}

TEST_P(EngineContract, UntouchedPagesReadAsZerosAndTakeWrites) {
    const Memory far(3 * page);
    const Memory near({Page::writable, Page::writable}, 4);
    Child child;
    EXPECT_EQ(move(open(child), near.span(), far.address(100)).bytes, 2 * page);
    if (reading()) {
        for (const std::byte byte : near.span()) ASSERT_EQ(byte, std::byte{});
    } else {
        EXPECT_EQ(child.run(look, far.address(100)), static_cast<int>(pattern(4, 0)));
        EXPECT_EQ(child.run(look, far.address(99)), 0);
    }
}

TEST_P(EngineContract, MemoryOfAMemfdIsSeenByAllItsMappings) {
    const os::Fd file = file_of(4 * page);
    const Memory far(4 * page, PROT_READ | PROT_WRITE, MAP_SHARED, file.get());
    const Memory near({Page::writable, Page::writable}, 4);
    Child child;
    EXPECT_EQ(move(open(child), near.span(), far.address(page)).bytes, 2 * page);
    const auto wanted = [&](std::size_t at) {
        return reading() ? pattern(11, page + at) : pattern(4, at);
    };
    for (const std::size_t at : {std::size_t{0}, page, 2 * page - 1}) {
        EXPECT_EQ(near.data()[at], wanted(at));
        EXPECT_EQ(byte_of_file(file, page + at), wanted(at));
    }
}

TEST_P(EngineContract, LockedPagesAreOrdinaryMemory) {
    const Memory far({Page::writable, Page::writable}, 3);
    const Memory near(2 * page);
    ASSERT_EQ(::mlock(near.data(), near.bytes()), 0);
    Child child;
    ASSERT_EQ(child.run(
                  [](const Words& w) -> std::int64_t {
                      return ::mlock(reinterpret_cast<void*>(w[0]), 2 * page);
                  },
                  far.address()),
              0);
    EXPECT_EQ(move(open(child), near.span(), far.address()).bytes, 2 * page);
    EXPECT_EQ(near.data()[9], reading() ? pattern(3, 9) : std::byte{});
}

TEST_P(EngineContract, HugePagesAreOrdinaryMemory) {
    const std::size_t huge = 2U << 20;
    try {
        const Memory far(huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
                         -1);
        fill(far.span(), 3);
        const Memory near(huge);
        Child child;
        EXPECT_EQ(move(open(child), near.span(100, huge - 100), far.address(100)).bytes,
                  huge - 100);
    } catch (const std::system_error&) {
        GTEST_SKIP() << "no huge pages are reserved here (vm.nr_hugepages)";
    }
}

TEST_P(EngineContract, TheVdsoIsReadAndNeverWritten) {
    const auto vdso = static_cast<std::uint64_t>(::getauxval(AT_SYSINFO_EHDR));
    if (vdso == 0) GTEST_SKIP() << "no vdso here";
    const Memory near(page);
    Child child;
    const Transfer got = move(open(child), near.span(0, 4), vdso);
    EXPECT_EQ(got.bytes, reading() ? 4U : 0U);
    EXPECT_EQ(got.error.value(), reading() ? 0 : EFAULT);
    if (reading()) {
        EXPECT_EQ(std::memcmp(near.data(), "\177ELF", 4), 0);
    }
}

TEST_P(EngineContract, MappingsThatGrowDownAreNotGrown) {
    const Memory room(64 * page);  // unmapped below: the pages are cut out of it
    ASSERT_EQ(::munmap(room.data(), 32 * page), 0);
    void* const at = ::mmap(room.data() + 31 * page, page, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0);
    ASSERT_NE(at, MAP_FAILED);
    const Memory near(page);
    Child child;
    const Process process = open(child);
    EXPECT_EQ(move(process, near.span(0, 8), room.address(31 * page)).bytes, 8U);
    // Kernels before 6.5 grew it.
    const Transfer below = move(process, near.span(0, 8), room.address(30 * page));
    EXPECT_TRUE(below.error.value() == EFAULT || below.bytes == 8U);
    const Transfer far_below = move(process, near.span(0, 8), 4096);
    EXPECT_EQ(far_below.error.value(), EFAULT);
}

TEST_P(EngineContract, SecretMemoryIsAFaultInATargetAndFineHere) {
    const os::Fd secret(static_cast<int>(::syscall(447 /* memfd_secret */, 0)));
    if (!secret) GTEST_SKIP() << "no memfd_secret here";
    ASSERT_EQ(::ftruncate(secret.get(), static_cast<off_t>(2 * page)), 0);
    const Memory hidden(page, PROT_READ | PROT_WRITE, MAP_SHARED, secret.get());
    hidden.data()[0] = std::byte{1};
    const Memory open_memory({Page::writable, Page::writable}, 3);
    Child child;
    const Process process = open(child);
    const Transfer of_target = move(process, open_memory.span(0, 8), hidden.address());
    EXPECT_EQ(of_target.bytes, 0U);
    EXPECT_EQ(of_target.error.value(), EFAULT);
    const Transfer of_ours = move(process, hidden.span(0, 8), open_memory.address(page));
    EXPECT_EQ(of_ours.bytes, 8U);
    EXPECT_FALSE(of_ours.error);
}

TEST_P(EngineContract, NullAndTheFirstPageAreFaults) {
    const Memory near(page);
    Child child;
    const Process process = open(child);
    for (const std::uint64_t address : {std::uint64_t{0}, std::uint64_t{8}}) {
        const Transfer got = move(process, near.span(0, 8), address);
        EXPECT_EQ(got.bytes, 0U);
        EXPECT_EQ(got.error.value(), EFAULT);
    }
}

}  // namespace
}  // namespace onecopy::test
