// onecopy read, write and maps on real processes.
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>

#include "run_onecopy.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"
#include "support/rights.hpp"

namespace onecopy {
namespace {

using test::after;
using test::Child;
using test::hex;
using test::Memory;
using test::number;
using test::Page;
using test::page;
using test::run_onecopy;
using test::ScratchDirectory;
using test::text_of;
using test::ToolRun;

/// Where the child's own bytes first differ from the pattern; their number when they do not.
std::size_t first_difference_there(Child& child, std::span<const std::byte> bytes, unsigned seed) {
    return static_cast<std::size_t>(child.run(
        [](const test::Words& words) -> std::int64_t {
            return static_cast<std::int64_t>(
                test::first_difference(test::bytes_in(words, 0), static_cast<unsigned>(words[2])));
        },
        bytes.data(), bytes.size(), seed));
}

TEST(ReadCommand, PrintsTheBytesThemselvesIntoAPipe) {
    const Memory memory({Page::writable, Page::read_only}, 1);
    const Child child;
    const ToolRun run =
        run_onecopy({"read", number(child), hex(memory.address(100)), std::to_string(page)});
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(run.out, text_of(memory.span(100, page)));
    EXPECT_EQ(run.err, "");
}

TEST(ReadCommand, ShowsHexAndTextOnATerminal) {
    const Memory memory(page);
    std::memcpy(memory.data(), "Hello, terminal!", 16);
    const Child child;
    test::ToolSetup setup;
    setup.terminal = true;
    const ToolRun run = run_onecopy({"read", number(child), hex(memory.address()), "16"}, setup);
    EXPECT_EQ(run.status, 0);
    EXPECT_NE(run.out.find("48 65 6c 6c"), run.out.npos) << run.out;
    EXPECT_NE(run.out.find("|Hello, terminal!|"), run.out.npos) << run.out;
    const ToolRun raw =
        run_onecopy({"read", number(child), hex(memory.address()), "16", "--raw"}, setup);
    EXPECT_EQ(raw.out, "Hello, terminal!");
    const ToolRun piped =
        run_onecopy({"read", number(child), hex(memory.address()), "16", "--hex"});
    EXPECT_NE(piped.out.find("|Hello, terminal!|"), piped.out.npos);
}

TEST(ReadCommand, APartialReadGivesWhatCameAndSaysHowMuchAndWhy) {
    const Memory memory({Page::writable, Page::hole}, 2);
    const Child child;
    const ToolRun run = run_onecopy({"read", number(child), hex(memory.address(10)), "8K"});
    EXPECT_EQ(run.status, 1);
    EXPECT_EQ(run.out, text_of(memory.span(10, page - 10)));
    EXPECT_NE(run.err.find(std::to_string(page - 10) + " of 8192 bytes came"), run.err.npos)
        << run.err;
    EXPECT_NE(run.err.find("nothing is mapped at " + hex(memory.address(page))), run.err.npos)
        << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1);
}

TEST(ReadCommand, ProtectedMemoryIsToldFromUnmapped) {
    const Memory memory({Page::no_access}, 3);
    const Child child;
    const ToolRun run = run_onecopy({"read", number(child), hex(memory.address()), "1"});
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.err.find("the process itself may not read"), run.err.npos) << run.err;
}

TEST(ReadCommand, StreamsMoreThanItsBufferInOrder) {
    const Memory memory(std::size_t{5} << 20);
    test::fill(memory.span(), 4);
    const Child child;
    const ScratchDirectory scratch;
    const std::uint64_t length = memory.bytes() - 12345;
    const ToolRun run = run_onecopy({"read", number(child), hex(memory.address(7)),
                                     std::to_string(length), "-o", scratch / "bytes"});
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(run.out, "");
    const std::string got = test::file_text(scratch / "bytes");
    ASSERT_EQ(got.size(), length);
    EXPECT_EQ(test::first_difference(std::as_bytes(std::span(got)), 4, 7), length);
}

TEST(ReadCommand, ARefusedReadGivesTheDoctorsReasonAndLeavesAnOlderFileAlone) {
    ONECOPY_NEEDS_ROOT();
    const Child child;
    const ScratchDirectory scratch;
    const std::string file = scratch / "precious";
    test::make_file(file, "");
    const test::ToolSetup setup = test::as_user();
    const ToolRun run = run_onecopy({"read", number(child), "0x1000", "16", "-o", file}, setup);
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.err.find("it runs as uid 0, this process as uid 1000; run this as root"),
              run.err.npos)
        << run.err;
    EXPECT_EQ(test::file_text(file), "");
}

TEST(ReadCommand, AGoneProcessAndAThreadsNumberAreToldApart) {
    Child child;
    const std::string gone = number(child);
    child.reap();
    const ToolRun absent = run_onecopy({"read", gone, "0x1000", "16"});
    EXPECT_EQ(absent.status, 1);
    EXPECT_NE(absent.err.find("there is no process " + gone), absent.err.npos) << absent.err;

#if defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "ThreadSanitizer knows nothing of a thread that clone(2) made";
#endif
    Child threaded;
    const std::int64_t thread = threaded.run([](const test::Words&) -> std::int64_t {
        return test::clone_with_memory(CLONE_THREAD | CLONE_SIGHAND);
    });
    const ToolRun run = run_onecopy({"read", std::to_string(thread), "0x1000", "16"});
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.err.find("number of a thread; name its process, " + number(threaded)),
              run.err.npos)
        << run.err;
}

TEST(ReadCommand, NoBytesAreAskedForAndNoneCome) {
    const Child child;
    const ToolRun run = run_onecopy({"read", number(child), "0x1000", "0"});
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(run.out, "");
}

TEST(ReadCommand, ADiskThatIsFullIsNamed) {
    const Memory memory(page);
    const Child child;
    const test::ToolSetup setup = after([] { test::redirect(1, "/dev/full"); });
    const ToolRun run = run_onecopy({"read", number(child), hex(memory.address()), "16"}, setup);
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.err.find("No space left"), run.err.npos) << run.err;
    const ToolRun nowhere = run_onecopy(
        {"read", number(child), hex(memory.address()), "16", "-o", "/nonexistent/file"});
    EXPECT_EQ(nowhere.status, 2);
    EXPECT_NE(nowhere.err.find("/nonexistent/file"), nowhere.err.npos) << nowhere.err;
}

TEST(WriteCommand, PutsStandardInputWhereItWasTold) {
    const Memory memory(std::size_t{3} << 20);
    Child child;
    std::string input(memory.bytes() - 1000, '\0');
    test::fill(std::as_writable_bytes(std::span(input)), 5);
    test::ToolSetup setup;
    setup.input = input;
    const ToolRun run = run_onecopy({"write", number(child), hex(memory.address(99))}, setup);
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(run.out + run.err, "");
    EXPECT_EQ(first_difference_there(child, memory.span(99, input.size()), 5), input.size());
}

TEST(WriteCommand, APartialWriteSaysHowMuchArrivedAndWhy) {
    const Memory memory({Page::writable, Page::read_only}, 6);
    const Child child;
    const ScratchDirectory scratch;
    const std::string file = scratch / "input";
    test::make_file(file, std::string(2 * page, 'x'));
    const test::ToolSetup setup = after([&] { test::redirect(0, file.c_str()); });
    const ToolRun run = run_onecopy({"write", number(child), hex(memory.address(96))}, setup);
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(
        run.err.find(std::to_string(page - 96) + " of " + std::to_string(2 * page) + " bytes"),
        run.err.npos)
        << run.err;
    EXPECT_NE(run.err.find("may not write"), run.err.npos) << run.err;
}

TEST(WriteCommand, ReadOnlyMemoryIsNeverForced) {
    const Memory memory({Page::read_only}, 7);
    Child child;
    test::ToolSetup setup;
    setup.input = "overwritten";
    EXPECT_EQ(run_onecopy({"write", number(child), hex(memory.address())}, setup).status, 1);
    EXPECT_EQ(first_difference_there(child, memory.span(), 7), page);
}

TEST(WriteCommand, NothingToWriteIsNoError) {
    const Child child;
    EXPECT_EQ(run_onecopy({"write", number(child), "0x1000"}).status, 0);
}

TEST(MapsCommand, ListsEveryMappingAsTheKernelDoes) {
    const Memory memory({Page::writable, Page::read_only}, 8);
    const Child child;
    const ToolRun text = run_onecopy({"maps", number(child)});
    EXPECT_EQ(text.status, 0) << text.err;
    EXPECT_NE(text.out.find("[stack]"), text.out.npos);
    const ToolRun run = run_onecopy({"maps", number(child), "--json"});
    ASSERT_EQ(run.status, 0) << run.err;
    const auto json = nlohmann::json::parse(run.out);
    const std::string maps = test::file_text("/proc/" + number(child) + "/maps");
    EXPECT_EQ(json["mappings"].size(),
              static_cast<std::size_t>(std::count(maps.begin(), maps.end(), '\n')));
    bool found = false;
    for (const auto& one : json["mappings"]) {
        if (one["begin"] != hex(memory.address(page))) continue;
        found = true;
        EXPECT_EQ(one["end"], hex(memory.address(2 * page)));
        EXPECT_EQ(one["permissions"], "r--p");
        EXPECT_EQ(one["bytes"], page);
        EXPECT_TRUE(one["readable_from_outside"]);
    }
    EXPECT_TRUE(found) << run.out;
}

TEST(MapsCommand, NamesOfFilesCannotCommandTheTerminal) {
    Child child;
    ASSERT_EQ(child.run([](const test::Words&) -> std::int64_t {
        const int fd = ::memfd_create("evil\x1b[31m\xff", 0);
        return ::mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? errno : 0;
    }),
              0);
    const ToolRun run = run_onecopy({"maps", number(child)});
    EXPECT_EQ(run.status, 0);
    EXPECT_EQ(run.out.find('\x1b'), run.out.npos);
    EXPECT_NE(run.out.find("evil\\x1b[31m"), run.out.npos) << run.out;
    EXPECT_EQ(run_onecopy({"maps", number(child), "--json"}).status, 0);
}

TEST(MapsCommand, ARefusedTargetGetsTheDoctorsReason) {
    ONECOPY_NEEDS_ROOT();
    const Child child;
    const test::ToolSetup setup = test::as_user();
    const ToolRun run = run_onecopy({"maps", number(child)}, setup);
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.err.find("it runs as uid 0, this process as uid 1000"), run.err.npos) << run.err;
}

}  // namespace
}  // namespace onecopy
