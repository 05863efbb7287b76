// onecopy dump on real processes: what is in the file, and what it does to its target.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>

#include "core_reader.hpp"
#include "fuse_file.hpp"
#include "os/fd.hpp"
#include "os/process_status.hpp"
#include "run_onecopy.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"
#include "support/rights.hpp"
#include "support/userfault.hpp"

namespace onecopy {
namespace {

using test::after;
using test::Child;
using test::CoreReader;
using test::Memory;
using test::number;
using test::Page;
using test::page;
using test::run_onecopy;
using test::ScratchDirectory;
using test::text_of;
using test::ToolRun;
using test::ToolSetup;

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }

/// Neither the core file nor what it is called before it is whole.
void expect_no_file(const ScratchDirectory& scratch) {
    EXPECT_FALSE(exists(scratch / "core"));
    EXPECT_FALSE(exists(scratch / "core.partial"));
}

ToolRun dump(const Child& child, const std::string& file, const ToolSetup& setup = {},
             bool all = false) {
    std::vector<std::string> arguments{"dump", number(child), "-o", file};
    if (all) arguments.push_back("--all");
    return run_onecopy(arguments, setup);
}

/// The number in front of "bytes `what`" in the summary.
std::uint64_t count_of(const ToolRun& run, const std::string& what) {
    const std::size_t end = run.out.find(" bytes " + what);
    if (end == run.out.npos) return 0;
    const std::size_t begin = run.out.find_last_not_of("0123456789", end - 1) + 1;
    return std::stoull("0" + run.out.substr(begin, end - begin));
}

// A sanitizer's shadow makes cores of gigabytes: there, only the headers and one place are read.
std::string headers_of(const std::string& path) {
    std::string text(1 << 20, '\0');
    const os::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const ssize_t got = ::pread(file.get(), text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
}

/// What the core file at `path` holds from `address` on.
std::string memory_in(const std::string& path, std::uint64_t address, std::size_t bytes) {
    const CoreReader core(headers_of(path));
    const CoreReader::Segment* segment = core.find(address);
    if (segment == nullptr) return "not in the core file";
    std::string text(bytes, '\0');
    const os::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const ssize_t got = ::pread(file.get(), text.data(), bytes,
                                static_cast<off_t>(segment->offset + (address - segment->address)));
    return got == static_cast<ssize_t>(bytes) ? text : "short file";
}

TEST(DumpCommand, TheCoreFileHoldsTheMemoryWhereItWas) {
    const Memory memory({Page::writable, Page::read_only, Page::hole, Page::writable}, 1);
    const Child child;
    const ScratchDirectory scratch;
    const ToolRun run = dump(child, scratch / "core");
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(run.err, "") << "no bar where there is no terminal";
    EXPECT_EQ(memory_in(scratch / "core", memory.address(), 2 * page),
              text_of(memory.span(0, 2 * page)));
    EXPECT_EQ(memory_in(scratch / "core", memory.address(3 * page), page),
              text_of(memory.span(3 * page, page)));
    const CoreReader core(headers_of(scratch / "core"));
    EXPECT_EQ(core.find(memory.address(2 * page)), nullptr);
    EXPECT_EQ(core.find(memory.address(page))->flags, static_cast<std::uint32_t>(PF_R));
    EXPECT_GT(count_of(run, "read"), 0U) << run.out;
    EXPECT_FALSE(exists(scratch / "core.partial"));
}

TEST(DumpCommand, DebuggersOpenTheFile) {
    const Memory memory(page);
    std::strcpy(reinterpret_cast<char*>(memory.data()), "a message in a bottle");
    const Child child;
    const ScratchDirectory scratch;
    ASSERT_EQ(dump(child, scratch / "core").status, 0);
    const auto shell = [&](const std::string& command) {
        std::string text;
        std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
        for (int c; (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
        ::pclose(pipe);
        return text;
    };
    const std::string headers = shell("readelf -hln " + scratch / "core");
    EXPECT_NE(headers.find("CORE (Core file)"), headers.npos) << headers;
    EXPECT_NE(headers.find("NT_FILE"), headers.npos);
    EXPECT_EQ(headers.find("Warning"), headers.npos) << headers;
    if (shell("command -v gdb").empty()) GTEST_SKIP() << "no gdb here";
    const std::string gdb = shell("gdb -q -nx -batch -ex 'x/s " + test::hex(memory.address()) +
                                  "' -c " + scratch / "core");
    EXPECT_NE(gdb.find("a message in a bottle"), gdb.npos) << gdb;
}

TEST(DumpCommand, UntouchedMemoryTakesNoRoomInTheFileNorInTheProcess) {
    const Memory anonymous(std::size_t{64} << 20);
    const os::Fd memfd(::memfd_create("onecopy-test", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(memfd.get(), 64 << 20), 0);
    const Memory shared(std::size_t{64} << 20, PROT_READ | PROT_WRITE, MAP_SHARED, memfd.get());
    const Child child;
    anonymous.data()[5 * page] = std::byte{1};  // here, after the fork
    const ScratchDirectory scratch;
    const ToolRun run = dump(child, scratch / "core");
    ASSERT_EQ(run.status, 0) << run.err;
    struct stat status {};
    ASSERT_EQ(::fstat(memfd.get(), &status), 0);
    EXPECT_EQ(status.st_blocks, 0) << "the dump made pages of the memfd";
    EXPECT_GE(count_of(run, "never touched"), std::uint64_t{128} << 20) << run.out;
    ASSERT_EQ(::stat((scratch / "core").c_str(), &status), 0);
    EXPECT_GE(status.st_size, std::int64_t{128} << 20);
    EXPECT_LT(status.st_blocks * 512, std::int64_t{128} << 20);
    EXPECT_EQ(memory_in(scratch / "core", anonymous.address(5 * page), 16), std::string(16, '\0'));
}

TEST(DumpCommand, SharedMemoryThatAnotherProcessFilledIsInTheFile) {
    const os::Fd memfd(::memfd_create("onecopy-test", MFD_CLOEXEC));
    ASSERT_EQ(::ftruncate(memfd.get(), 1 << 20), 0);
    const Memory shared(std::size_t{1} << 20, PROT_READ | PROT_WRITE, MAP_SHARED, memfd.get());
    const Child child;
    ASSERT_EQ(::pwrite(memfd.get(), "from outside", 12, 300000), 12);
    const ScratchDirectory scratch;
    ASSERT_EQ(dump(child, scratch / "core").status, 0);
    EXPECT_EQ(memory_in(scratch / "core", shared.address(300000), 12), "from outside");
}

TEST(DumpCommand, SharedMemoryThatMayNotBeLookedAtIsLeftOutAndNamedUnlessAll) {
    ONECOPY_NEEDS_ROOT();
    // A memfd that the target can no longer open again: only its mapping is left.
    Child child;
    const std::int64_t address = child.run([](const test::Words&) -> std::int64_t {
        if (test::become(test::user()) != 0) return -1;
        const int fd = ::memfd_create("onecopy-test", MFD_CLOEXEC);
        if (::ftruncate(fd, 1 << 20) != 0 || ::pwrite(fd, "untouched", 9, 65536) != 9) return -1;
        void* at = ::mmap(nullptr, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        *static_cast<char*>(at) = 'T';
        ::close(fd);
        return static_cast<std::int64_t>(reinterpret_cast<std::intptr_t>(at));
    });
    ASSERT_GT(address, 0);
    const ScratchDirectory scratch;
    const ToolSetup setup = test::as_user();
    const ToolRun run = dump(child, scratch / "core", setup);
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_NE(run.out.find("has not touched"), run.out.npos) << run.out;
    EXPECT_EQ(memory_in(scratch / "core", address, 1), "T");
    EXPECT_EQ(memory_in(scratch / "core", address + 65536, 9), std::string(9, '\0'));
    ASSERT_EQ(dump(child, scratch / "core", setup, true).status, 0);
    EXPECT_EQ(memory_in(scratch / "core", address + 65536, 9), "untouched");
}

TEST(DumpCommand, TerabytesOfReservedAddressesAreNoTrouble) {
    constexpr std::size_t reserved = std::size_t{4} << 40;
    void* at = ::mmap(nullptr, reserved, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) GTEST_SKIP() << "no 4 TiB of addresses here";
    char* const bytes = static_cast<char*>(at);
    std::strcpy(bytes + (std::size_t{1} << 40), "first island");
    std::strcpy(bytes + (std::size_t{3} << 40), "second island");
    const Child child;
    const ScratchDirectory scratch;
    const ToolRun run = dump(child, scratch / "core");
    const auto base = reinterpret_cast<std::uintptr_t>(at);
    ::munmap(at, reserved);
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(memory_in(scratch / "core", base + (std::uint64_t{1} << 40), 12), "first island");
    EXPECT_EQ(memory_in(scratch / "core", base + (std::uint64_t{3} << 40), 13), "second island");
    struct stat status {};
    ASSERT_EQ(::stat((scratch / "core").c_str(), &status), 0);
    EXPECT_LT(status.st_size, std::int64_t{1} << 40) << "few file systems take such lengths";
}

TEST(DumpCommand, PagesBeyondTheEndOfTheirFileAreCountedAsUnreadable) {
    const ScratchDirectory scratch;
    const os::Fd file(::open((scratch / "short").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::ftruncate(file.get(), static_cast<off_t>(page)), 0);
    ASSERT_EQ(::pwrite(file.get(), "here", 4, 0), 4);
    const Memory mapped(4 * page, PROT_READ, MAP_PRIVATE, file.get());
    const Child child;
    const ToolRun run = dump(child, scratch / "core");
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_GE(count_of(run, "could not be read"), 3 * page) << run.out;
    EXPECT_EQ(memory_in(scratch / "core", mapped.address(), 4), "here");
}

TEST(DumpCommand, FilesOnFuseAreLeftOutAndNamedAndNeverTouched) {
    ONECOPY_NEEDS_ROOT();
    const ScratchDirectory scratch;
    std::filesystem::create_directory(scratch / "mount");
    const std::string mount_point = scratch / "mount";
    Child child;
    const std::int64_t address = child.run(
        [](const test::Words& words) -> std::int64_t {
            return test::map_fuse_file(reinterpret_cast<const char*>(words[0]), 1 << 20);
        },
        mount_point.c_str());
    if (address < 0) GTEST_SKIP() << "no FUSE here: " << std::strerror(static_cast<int>(-address));
    const ToolRun run = dump(child, scratch / "core");
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_NE(run.out.find("on a fuse file system"), run.out.npos) << run.out;
    EXPECT_NE(run.out.find("/stuck"), run.out.npos) << run.out;
    EXPECT_GE(count_of(run, "left out"), std::uint64_t{1} << 20) << run.out;

    const ToolRun one = run_onecopy({"read", number(child), test::hex(address), "16"});
    EXPECT_EQ(one.status, 1);
    EXPECT_NE(one.err.find("insist with --all"), one.err.npos) << one.err;
    const ToolRun maps = run_onecopy({"maps", number(child)});
    EXPECT_NE(maps.out.find("on a fuse file system: can block"), maps.out.npos) << maps.out;
    EXPECT_EQ(child.run([](const test::Words&) -> std::int64_t {
        return test::fuse_page_was_asked_for() ? 1 : 0;
    }),
              0);
}

/// A child with two pages under userfaultfd, which it serves when it is told to.
struct Stuck {
    Memory memory{2 * page};
    Child child;
    std::int64_t error;

    Stuck()
        : error(child.run(
              [](const test::Words& words) -> std::int64_t {
                  int problem = 0;
                  fault() =
                      new test::Userfault(reinterpret_cast<void*>(words[0]), words[1], problem);
                  return problem;
              },
              memory.data(), memory.bytes())) {}

    static test::Userfault*& fault() {
        static test::Userfault* one = nullptr;
        return one;
    }
    void wait_for_reader() {
        child.run([](const test::Words&) -> std::int64_t {
            return static_cast<std::int64_t>(fault()->next_fault());
        });
    }
    void serve() {
        for (std::size_t i = 0; i < 2; ++i) {
            child.run(
                [](const test::Words& words) -> std::int64_t {
                    return fault()->serve(reinterpret_cast<void*>(words[0]), 7);
                },
                memory.data() + i * page);
        }
    }
};

TEST(DumpCommand, MemoryUnderUserfaultfdIsLeftOutAndNamed) {
    const Stuck stuck;
    if (stuck.error != 0) GTEST_SKIP() << "no userfaultfd here";
    const ScratchDirectory scratch;
    const ToolRun run = dump(stuck.child, scratch / "core");
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_NE(run.out.find("served by userfaultfd"), run.out.npos) << run.out;
    EXPECT_EQ(memory_in(scratch / "core", stuck.memory.address(), 1), "not in the core file");
}

TEST(DumpCommand, InterruptedItSaysSoAndLeavesNoFile) {
    Stuck stuck;
    if (stuck.error != 0) GTEST_SKIP() << "no userfaultfd here";
    const ScratchDirectory scratch;
    ToolSetup setup;
    setup.started = [&](pid_t tool) {
        stuck.wait_for_reader();  // so it is in the middle
        ::kill(tool, SIGINT);
        stuck.serve();
    };
    const ToolRun run = dump(stuck.child, scratch / "core", setup, true);
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.err.find("interrupted after"), run.err.npos) << run.err;
    expect_no_file(scratch);
}

TEST(DumpCommand, ATargetThatEndsInTheMiddleLeavesNoFile) {
    Stuck stuck;
    if (stuck.error != 0) GTEST_SKIP() << "no userfaultfd here";
    const ScratchDirectory scratch;
    ToolSetup setup;
    setup.started = [&](pid_t) {
        stuck.wait_for_reader();
        stuck.child.kill();
    };
    const ToolRun run = dump(stuck.child, scratch / "core", setup, true);
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.err.find("ended"), run.err.npos) << run.err;
    expect_no_file(scratch);
}

TEST(DumpCommand, AFullDiskIsAnErrorAndLeavesNoFile) {
    ONECOPY_NEEDS_ROOT();
    const ScratchDirectory scratch;
    std::filesystem::create_directory(scratch / "small");
    const std::string small = scratch / "small";
    const Child child;
    const ToolSetup setup = after([&] {
        if (::unshare(CLONE_NEWNS) != 0 ||
            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("small", small.c_str(), "tmpfs", 0, "size=64k") != 0) {
            ::_exit(126);
        }
    });
    const ToolRun run = dump(child, small + "/core", setup);
    if (run.status == 126) GTEST_SKIP() << "no mount namespaces here";
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.err.find("No space left"), run.err.npos) << run.err;
    EXPECT_NE(run.err.find("nothing is left"), run.err.npos) << run.err;
}

TEST(DumpCommand, ALimitOfFileLengthIsAnErrorAndNoSignal) {
    const ScratchDirectory scratch;
    const Child child;
    const ToolSetup setup = after([] {
        const rlimit limit{4096, 4096};
        ::setrlimit(RLIMIT_FSIZE, &limit);
    });
    const ToolRun run = dump(child, scratch / "core", setup);
    EXPECT_EQ(run.signal, 0);
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.err.find("ulimit -f"), run.err.npos) << run.err;
    EXPECT_FALSE(exists(scratch / "core.partial"));
}

TEST(DumpCommand, ARefusedTargetGetsTheDoctorsReasonAndNoFileAppears) {
    ONECOPY_NEEDS_ROOT();
    const ScratchDirectory scratch;
    const Child child;
    const ToolSetup setup = test::as_user();
    const ToolRun run = dump(child, scratch / "core", setup);
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.err.find("run this as root"), run.err.npos) << run.err;
    expect_no_file(scratch);
}

TEST(DumpCommand, OnATerminalABarComesAndGoes) {
    const Memory memory(std::size_t{16} << 20);
    test::fill(memory.span(), 9);
    const Child child;
    const ScratchDirectory scratch;
    ToolSetup setup;
    setup.terminal = true;
    const ToolRun run = dump(child, scratch / "core", setup);
    EXPECT_EQ(run.status, 0) << run.out;
    EXPECT_NE(run.out.find("dump " + number(child) + " ["), run.out.npos) << run.out;
    EXPECT_NE(run.out.find("\r\x1b[K" + scratch / "core"), run.out.npos)
        << "the last line stands where the bar was: " << run.out;
}

/// A 32-bit program that waits: header, one segment, `mov eax, 29 (pause); int 0x80; jmp`.
constexpr std::array<unsigned char, 94>
    program32{0x7f, 'E', 'L', 'F',  1,  1, 1,    0,    0,    0,    0,    0,    0,
              0,    0,   0,  // class 32, little endian
              2,    0,   3,   0,    1,  0, 0,    0,    0x54, 0x80, 0x04, 0x08, 0x34,
              0,    0,   0,   0,    0,  0, 0,    0,    0,    0,    0,    0x34, 0,
              0x20, 0,   1,   0,    0,  0, 0,    0,    0,    0,    1,    0,    0,
              0,    0,   0,   0,    0,  0, 0x80, 0x04, 0x08, 0,    0x80, 0x04, 0x08,
              94,   0,   0,   0,    94, 0, 0,    0,    5,    0,    0,    0,    0,
              0x10, 0,   0,   0xb8, 29, 0, 0,    0,    0xcd, 0x80, 0xeb, 0xf7, 0x90};

TEST(DumpCommand, A32BitProcessGivesA32BitCore) {
    const ScratchDirectory scratch;
    const std::string program = scratch / "waits32";
    test::make_file(program, std::string(program32.begin(), program32.end()));
    ::chmod(program.c_str(), 0755);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::execl(program.c_str(), program.c_str(), nullptr);
        ::_exit(127);
    }
    const bool runs = test::eventually([&] {
        std::error_code error;
        const auto status = os::read_process_status(pid, error);
        return status.state == 'Z' || (status.name == "waits32" && status.state == 'S');
    });
    std::error_code error;
    const bool ended = os::read_process_status(pid, error).state == 'Z';
    const ToolRun run = run_onecopy({"dump", std::to_string(pid), "-o", scratch / "core"});
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    ASSERT_TRUE(runs);
    if (ended) GTEST_SKIP() << "this machine runs no 32-bit programs";
    ASSERT_EQ(run.status, 0) << run.err;
    const CoreReader core(headers_of(scratch / "core"));
    EXPECT_FALSE(core.wide());
    EXPECT_EQ(core.machine(), EM_386);
    EXPECT_EQ(memory_in(scratch / "core", 0x08048000, program32.size()),
              std::string(program32.begin(), program32.end()));
}

}  // namespace
}  // namespace onecopy
