// What the tool makes of what it is started with: descriptors that are closed or cannot be written,
// signals that are ignored, limits.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

#include "run_onecopy.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"

namespace onecopy {
namespace {

using test::after;
using test::Child;
using test::hex;
using test::Memory;
using test::number;
using test::page;
using test::redirect;
using test::run_onecopy;
using test::ScratchDirectory;
using test::text_of;
using test::ToolRun;

void expect_one_line(const ToolRun& run, const std::string& says) {
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    EXPECT_NE(run.err.find(says), run.err.npos) << run.err;
}

/// Puts a terminal of its own on descriptor `fd`, opened as `flags` say, at the end of its input.
void become_terminal(int fd, int flags) {
    const int master = ::posix_openpt(O_RDWR | O_NOCTTY);
    char name[64];
    if (master < 0 || ::grantpt(master) != 0 || ::unlockpt(master) != 0 ||
        ::ptsname_r(master, name, sizeof name) != 0 || ::write(master, "\x04", 1) != 1) {
        ::_exit(126);
    }
    const int slave = ::open(name, flags | O_NOCTTY);
    if (slave < 0 || ::dup2(slave, fd) != fd) ::_exit(126);
}

TEST(StandardError, ThatCannotBeWrittenChangesNoExitStatus) {
    const std::vector<std::pair<std::string, std::function<void()>>> ways = {
        {"full", [] { redirect(2, "/dev/full"); }},
        {"closed", [] { ::close(2); }},
        {"all closed", [] {
             for (const int fd : {0, 1, 2}) ::close(fd);
         }}};
    const std::vector<std::pair<std::vector<std::string>, int>> asked = {
        {{"frob"}, 2},
        {{"read", "abc", "0", "1"}, 2},
        {{"mpi", "--off", "--", "./nonexistent"}, 2},
        {{"maps", "999999999"}, 1},
        {{"mpi", "--off", "--report", "--", "sh", "-c", "exit 7"}, 7}};
    for (const auto& [name, before] : ways) {
        for (const auto& [arguments, status] : asked) {
            const ToolRun run = run_onecopy(arguments, after(before));
            EXPECT_EQ(run.signal, 0) << name << ": " << arguments[0];
            EXPECT_EQ(run.status, status) << name << ": " << arguments[0];
        }
    }
}

TEST(StandardError, ThatCannotTakeTheReportHidesNoStatusOfTheProgram) {
    const std::vector<std::string> arguments{"mpi", "--report", "--", "sh", "-c", "exit 7"};
    if (run_onecopy(arguments).status == 1) GTEST_SKIP() << "libonecopy_mpi.so is not built";
    EXPECT_EQ(run_onecopy(arguments, after([] { redirect(2, "/dev/full"); })).status, 7);
}

TEST(StandardError, ThatIsATerminalButNotWritableStopsNoDump) {
    const Memory memory(std::size_t{4} << 20);
    test::fill(memory.span(), 1);
    const Child child;
    const ScratchDirectory scratch;
    const ToolRun run = run_onecopy({"dump", number(child), "-o", scratch / "core"},
                                    after([] { become_terminal(2, O_RDONLY); }));
    EXPECT_EQ(run.signal, 0);
    EXPECT_EQ(run.status, 0);
    EXPECT_NE(run.out.find("bytes read"), run.out.npos) << run.out;
}

TEST(StandardError, ThatCannotTakeThePromptStopsNoWrite) {
    const Memory memory(page);
    const Child child;
    const ToolRun run = run_onecopy({"write", number(child), hex(memory.address())}, after([] {
                                        become_terminal(0, O_RDWR);
                                        redirect(2, "/dev/full");
                                    }));
    EXPECT_EQ(run.signal, 0);
    EXPECT_EQ(run.status, 0);
}

TEST(ClosedDescriptors, AreNotMistakenForThoseTheToolOpens) {
    const Memory memory(page);
    test::fill(memory.span(), 2);
    const Child child;
    const ScratchDirectory scratch;
    const std::string file = scratch / "bytes";
    const ToolRun run = run_onecopy(
        {"read", number(child), hex(memory.address()), std::to_string(page), "-o", file}, after([] {
            for (const int fd : {0, 1, 2}) ::close(fd);
        }));
    EXPECT_EQ(run.status, 0);
    EXPECT_EQ(test::file_text(file), text_of(memory.span(0, page)));
    const ToolRun dump =
        run_onecopy({"dump", number(child), "-o", scratch / "core"}, after([] { ::close(1); }));
    EXPECT_EQ(dump.status, 1) << "its summary went nowhere";
    expect_one_line(dump, "standard output is not open for writing");
}

TEST(ClosedDescriptors, AreAnErrorWhereDataWasToGoOrComeFrom) {
    const Memory memory(page);
    const Child child;
    const std::string pid = number(child);
    const std::string address = hex(memory.address());
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"read", pid, address, "16"},
          {"maps", pid},
          {"maps", pid, "--json"},
          {"doctor"},
          {"--help"}}) {
        const ToolRun run = run_onecopy(arguments, after([] { ::close(1); }));
        EXPECT_EQ(run.status, 1) << arguments[0];
        expect_one_line(run, "standard output is not open for writing; redirect it to a file");
    }
    const ToolRun write = run_onecopy({"write", pid, address}, after([] { ::close(0); }));
    EXPECT_EQ(write.status, 1);
    expect_one_line(write, "standard input cannot be read: Bad file descriptor");
}

TEST(ClosedDescriptors, AreFoundClosedByAProgramThatIsStarted) {
    const ToolRun run = run_onecopy(
        {"mpi", "--off", "--", "sh", "-c", "test ! -e /proc/$$/fd/0 && test ! -e /proc/$$/fd/1"},
        after([] {
            ::close(0);
            ::close(1);
        }));
    EXPECT_EQ(run.status, 0) << run.err;
}

TEST(StandardOutput, ThatCannotBeWrittenIsToldByItsReason) {
    const ToolRun pipe = run_onecopy({"--help"}, after([] {
                                         int ends[2];
                                         if (::pipe(ends) != 0) ::_exit(126);
                                         ::dup2(ends[1], 1);
                                         ::close(ends[0]);
                                         ::close(ends[1]);
                                         ::signal(SIGPIPE, SIG_IGN);
                                     }));
    EXPECT_EQ(pipe.status, 1);
    expect_one_line(pipe, "whoever read it has ended");
    const ToolRun full = run_onecopy({"--help"}, after([] { redirect(1, "/dev/full"); }));
    EXPECT_EQ(full.status, 1);
    expect_one_line(full, "No space left on device; make room");
}

TEST(StandardOutput, ThatIsNotOpenStopsABenchBeforeItMeasures) {
    const ToolRun run = run_onecopy({"bench", "p2p"}, after([] { ::close(1); }));
    EXPECT_EQ(run.status, 1);
    expect_one_line(run, "bench p2p: standard output is not open for writing; redirect it");
}

TEST(StandardOutput, ThatIsFullStopsABenchByItsReason) {
    const ToolRun run = run_onecopy(
        {"bench", "heap", "--works", "loop", "--ways", "malloc", "--sizes", "64K", "--quick"},
        after([] { redirect(1, "/dev/full"); }));
    EXPECT_EQ(run.status, 1);
    expect_one_line(run, "No space left on device; make room");
}

void limit_files_to_one_page() {
    const rlimit limit{4096, 4096};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(126);
}

TEST(LimitOfFileLength, IsAnErrorOfReadAndNoSignal) {
    const Memory memory(4 * page);
    test::fill(memory.span(), 3);
    const Child child;
    const ScratchDirectory scratch;
    const std::string file = scratch / "bytes";
    const ToolRun run =
        run_onecopy({"read", number(child), hex(memory.address()), "16K", "-o", file},
                    after(limit_files_to_one_page));
    EXPECT_EQ(run.signal, 0);
    EXPECT_EQ(run.status, 1);
    expect_one_line(run, file + " takes no more after 4 KiB: File too large; raise `ulimit -f`");
    EXPECT_EQ(test::file_text(file), text_of(memory.span(0, 4096)));
}

TEST(LimitOfFileLength, IsAnErrorOfWhatPrintsAndNoSignal) {
    const Child child;
    const ScratchDirectory scratch;
    const std::string file = scratch / "maps";
    test::make_file(file, "");
    const ToolRun run = run_onecopy({"maps", "--json", number(child)}, after([&] {
                                        redirect(1, file.c_str());
                                        limit_files_to_one_page();
                                    }));
    EXPECT_EQ(run.signal, 0);
    EXPECT_EQ(run.status, 1);
    expect_one_line(run, "raise `ulimit -f`");
}

/// Runs `script` by a shell under `onecopy mpi`, with `ignored` ignored by whoever starts it.
ToolRun under_mpi(const std::string& script, int ignored = 0) {
    return run_onecopy({"mpi", "--off", "--", "sh", "-c", script}, after([ignored] {
                           if (ignored != 0) ::signal(ignored, SIG_IGN);
                       }));
}

TEST(MpiSignals, ThatAreIgnoredStaySoInTheProgramAsUnderNohup) {
    for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGXFSZ}) {
        const ToolRun run =
            under_mpi("kill -" + std::to_string(signal) + " $$; echo alive", signal);
        EXPECT_EQ(run.status, 0) << signal;
        EXPECT_EQ(run.out, "alive\n") << signal;
    }
}

TEST(MpiSignals, ThatAreIgnoredAreNotPassedOn) {
    // The program minds the signal although the tool was told to ignore it.
    const std::string script = "trap 'echo heard' HUP; kill -HUP $PPID; sleep 0.2; echo end";
    const ToolRun run =
        run_onecopy({"mpi", "--off", "--", "env", "--default-signal=HUP", "sh", "-c", script},
                    after([] { ::signal(SIGHUP, SIG_IGN); }));
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(run.out, "end\n");
}

TEST(MpiSignals, ThatAreNotIgnoredHaveTheirDefaultInTheProgram) {
    for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGXFSZ}) {
        const ToolRun run = under_mpi("kill -" + std::to_string(signal) + " $$; echo alive");
        EXPECT_EQ(run.status, 128 + signal);
        EXPECT_EQ(run.out, "") << signal;
    }
}

TEST(MpiSignals, SentToTheToolReachTheProgram) {
    for (const char* name : {"HUP", "TERM", "USR1", "USR2"}) {
        const ToolRun run =
            under_mpi(std::string("trap 'echo heard; exit 5' ") + name + "; kill -" + name +
                      " $PPID; for i in $(seq 99); do sleep 0.1; done");
        EXPECT_EQ(run.status, 5) << name;
        EXPECT_EQ(run.out, "heard\n") << name;
    }
}

TEST(MpiSignals, AnIgnoredSigchldHidesNoStatus) {
    EXPECT_EQ(under_mpi("exit 3", SIGCHLD).status, 3);
}

}  // namespace
}  // namespace onecopy
