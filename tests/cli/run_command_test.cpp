// onecopy run: what ranks are given, what becomes of their output and of their ends.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "rank_processes.hpp"
#include "run_onecopy.hpp"
#include "support/rights.hpp"

namespace onecopy {
namespace {

using test::after;
using test::as_lines;
using test::gone;
using test::redirect;
using test::run_onecopy;
using test::run_shell;
using test::ScratchDirectory;
using test::ToolRun;
using test::ToolSetup;

constexpr const char* probe = ONECOPY_RANK_PROBE;

void expect_one_line(const ToolRun& run, const std::string& says) {
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    EXPECT_EQ(run.err.find("onecopy: run: "), 0U) << run.err;
    EXPECT_NE(run.err.find(says), run.err.npos) << run.err;
}

std::vector<std::string> sorted(std::vector<std::string> lines) {
    std::sort(lines.begin(), lines.end());
    return lines;
}

/// The value of "name=value" in a line of the probe.
std::string fact(const std::string& line, const std::string& name) {
    const std::size_t at = line.find(name + "=");
    if (at == line.npos) return {};
    const std::size_t from = at + name.size() + 1;
    return line.substr(from, line.find_first_of(" \n", from) - from);
}

std::vector<std::string> facts(std::vector<std::string> options, const ToolSetup& setup = {}) {
    options.insert(options.begin(), "run");
    options.insert(options.end(), {"--", probe, "facts"});
    const ToolRun run = run_onecopy(options, setup);
    EXPECT_EQ(run.status, 0) << run.err;
    return sorted(as_lines(run.out));
}

TEST(RunCommand, TellsEachRankWhoItIsAndHandsAllTheSameSealedMemory) {
    const std::vector<std::string> ranks = facts({"-n", "3"});
    ASSERT_EQ(ranks.size(), 3U);
    for (std::size_t rank = 0; rank < 3; ++rank) {
        EXPECT_EQ(fact(ranks[rank], "rank"), std::to_string(rank));
        EXPECT_EQ(fact(ranks[rank], "size"), "3");
        EXPECT_NE(ranks[rank].find(" sealed "), std::string::npos) << ranks[rank];
        EXPECT_EQ(fact(ranks[rank], "job"), fact(ranks[0], "job"));
        EXPECT_EQ(fact(ranks[rank], "inode"), fact(ranks[0], "inode"));
    }
    EXPECT_GE(std::stoi(fact(ranks[0], "job").substr(3)), 40) << "in the way of low numbers";
}

TEST(RunCommand, WithinARankGivesItsRanksAJobOfTheirOwn) {
    const ToolRun run = run_onecopy(
        {"run", "-n", "1", "--", "sh", "-c",
         std::string(probe) + " facts; " ONECOPY_TOOL " run -n 2 -- sh -c '" + probe +
             " facts; ls -l /proc/self/fd | grep -c memfd; env | grep -c -e ^ONECOPY_JOB= "
             "-e ^ONECOPY_RANK= -e ^ONECOPY_SIZE='"});
    EXPECT_EQ(run.status, 0) << run.err;
    const std::vector<std::string> lines = as_lines(run.out);
    ASSERT_EQ(lines.size(), 7U) << run.out;
    EXPECT_EQ(fact(lines[0], "size"), "1");
    const std::vector<std::string> inner = sorted({lines.begin() + 1, lines.end()});
    EXPECT_EQ(inner[0], "1") << "the outer job's memory is not theirs";
    EXPECT_EQ(inner[2], "3") << "each word once";
    for (const std::size_t at : {4U, 5U}) {
        EXPECT_EQ(fact(inner[at], "size"), "2");
        EXPECT_NE(inner[at].find(" sealed "), std::string::npos) << inner[at];
        EXPECT_NE(fact(inner[at], "inode"), fact(lines[0], "inode"));
    }
}

TEST(RunCommand, LeavesOtherDescriptorsAndTheLimitOfThemAsTheyWere) {
    const ToolSetup setup = after([] {
        ::dup2(STDERR_FILENO, 77);
        const rlimit limit{150, 300};
        ::setrlimit(RLIMIT_NOFILE, &limit);
    });
    const std::string script = "ulimit -Sn; ls /proc/self/fd | sort -n";
    // This command becomes the program, and so shows what there was.
    const ToolRun before = run_onecopy({"heap", "--off", "--", "sh", "-c", script}, setup);
    std::vector<std::string> expected = as_lines(before.out);
    ASSERT_FALSE(expected.empty());
    EXPECT_EQ(expected[0], "150");
    EXPECT_TRUE(std::count(expected.begin(), expected.end(), "77"));
    expected.push_back("40");  // the job's; 200 is beyond the limit
    const ToolRun run = run_shell(2, "test $ONECOPY_RANK = 0 || { " + script + "; }", setup);
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(sorted(as_lines(run.out)), sorted(expected));
}

TEST(RunCommand, GivesRankZeroTheStandardInputAndTheOthersNone) {
    ToolSetup setup;
    setup.input = "first\nsecond\n";
    const ToolRun run =
        run_shell(3, "sed \"s/^/$ONECOPY_RANK: /\"; readlink /proc/self/fd/0", setup);
    EXPECT_EQ(run.status, 0) << run.err;
    const std::vector<std::string> lines = sorted(as_lines(run.out));
    ASSERT_EQ(lines.size(), 5U) << run.out;
    EXPECT_EQ(lines[0], "/dev/null");
    EXPECT_EQ(lines[1], "/dev/null");
    EXPECT_EQ(lines[2], "0: first");
    EXPECT_EQ(lines[3], "0: second");
}

TEST(RunCommand, HoldsTheStandardInputOpenForNobodyButRankZero) {
    const ToolRun run = run_shell(
        2,
        "test $ONECOPY_RANK = 0 && exit; for pid in $PPID $(cut -d' ' -f4 /proc/$PPID/stat); do "
        "until readlink /proc/$pid/fd/0 | grep -q /dev/null; do sleep 0.01; done; done; echo ok");
    EXPECT_EQ(run.out, "ok\n") << run.err;
}

TEST(RunOutput, KeepsLinesWholeAndInOrderUnderMuchOfIt) {
    constexpr int ranks = 8, count = 5000;
    const ToolRun run =
        run_onecopy({"run", "-n", "8", "--", probe, "lines", std::to_string(count)});
    ASSERT_EQ(run.status, 0) << run.err;
    std::array<int, ranks> next{};
    for (const std::string& line : as_lines(run.out)) {
        std::istringstream words(line);
        std::size_t rank = ranks;
        int index = -1;
        std::string filling;
        words >> rank >> index >> filling;
        ASSERT_LT(rank, next.size()) << line;
        ASSERT_EQ(index, next[rank]++) << line;
        ASSERT_EQ(filling.find_first_not_of(static_cast<char>('a' + rank)), filling.npos) << line;
    }
    for (const int seen : next) EXPECT_EQ(seen, count);
}

TEST(RunOutput, KeepsStandardOutputAndErrorApartAndLabelsBoth) {
    const ToolRun run = run_onecopy(
        {"run", "-n", "11", "--label", "--", "sh", "-c", "echo out; echo err $ONECOPY_RANK >&2"});
    EXPECT_EQ(run.status, 0);
    std::vector<std::string> out, err;
    for (int rank = 0; rank < 11; ++rank) {
        const std::string label = (rank < 10 ? " " : "") + std::to_string(rank) + ": ";
        out.push_back(label + "out");
        err.push_back(label + "err " + std::to_string(rank));
    }
    EXPECT_EQ(sorted(as_lines(run.out)), sorted(out));
    EXPECT_EQ(sorted(as_lines(run.err)), sorted(err));
}

TEST(RunOutput, KeepsTheOrderOfOutputAndErrorWhereBothAreOneFile) {
    std::string expected;
    for (int i = 0; i < 50; ++i) {
        expected += "out " + std::to_string(i) + "\nerr " + std::to_string(i) + "\n";
    }
    const ToolRun run = run_shell(
        2, "test $ONECOPY_RANK = 1 || for i in $(seq 0 49); do echo out $i; echo err $i >&2; done",
        after([] { ::dup2(1, 2); }));
    EXPECT_EQ(run.out, expected);
}

TEST(RunOutput, EndsWithTheUnfinishedLastLine) {
    EXPECT_EQ(run_shell(2, "test $ONECOPY_RANK = 0 || printf 'no end'").out, "no end");
    EXPECT_EQ(run_shell(1, "printf 'no end'").out, "no end");
}

TEST(RunOutput, ArrivesFromARankThatIsKilled) {
    const ToolRun run = run_shell(1, "printf 'last words'; kill -9 $$");
    EXPECT_EQ(run.out, "last words");
    EXPECT_EQ(run.status, 128 + SIGKILL);
}

TEST(RunOutput, OfNobodyWhoReadsEndsTheJobAsSigpipeWould) {
    const ScratchDirectory scratch;
    const auto broken = [] {
        int ends[2];
        if (::pipe(ends) != 0) ::_exit(126);
        ::dup2(ends[1], 1);
        ::close(ends[0]);
        ::close(ends[1]);
    };
    const std::string script = "echo $$ > " + scratch / "pid$ONECOPY_RANK" +
                               "; test $ONECOPY_RANK = 1 && { until test -s " + scratch / "pid0" +
                               "; do sleep 0.01; done; echo x; }; sleep 99";
    const ToolRun run = run_shell(2, script, after(broken));
    EXPECT_EQ(run.signal, SIGPIPE) << run.status;
    EXPECT_EQ(run.err, "");
    for (const char* name : {"pid0", "pid1"}) EXPECT_TRUE(gone(test::pid_in(scratch / name)));
    const ToolRun told = run_shell(2, script, after([&] {
                                       broken();
                                       ::signal(SIGPIPE, SIG_IGN);
                                   }));
    EXPECT_EQ(told.status, 1);
    expect_one_line(told, "standard output takes no more: Broken pipe");
}

TEST(RunOutput, ThatADiskCannotTakeIsAFailure) {
    const ToolRun run = run_shell(2, "echo x; sleep 99", after([] { redirect(1, "/dev/full"); }));
    EXPECT_EQ(run.status, 1);
    expect_one_line(run, "standard output takes no more: No space left on device");
}

TEST(RunOutput, ThatNobodyCanReadOnStandardErrorChangesNothing) {
    const ToolRun run = run_shell(2, "echo x >&2; echo y", after([] { redirect(2, "/dev/full"); }));
    EXPECT_EQ(run.status, 0);
    EXPECT_EQ(run.out, "y\ny\n");
}

TEST(RunOutput, IsFoundClosedByTheRanksWhereTheLauncherFoundItClosed) {
    const ToolRun run = run_shell(2,
                                  "test ! -e /proc/$$/fd/0 -o $ONECOPY_RANK = 1 && "
                                  "test ! -e /proc/$$/fd/1 && test ! -e /proc/$$/fd/2",
                                  after([] {
                                      for (const int fd : {0, 1, 2}) ::close(fd);
                                  }));
    EXPECT_EQ(run.status, 0);
}

TEST(RunOutput, ComesAsItIsWrittenWhereDescriptorsAreTooFew) {
    const ToolRun run = run_shell(60, "echo $ONECOPY_RANK", after([] {
                                      const rlimit limit{70, 70};
                                      ::setrlimit(RLIMIT_NOFILE, &limit);
                                  }));
    EXPECT_EQ(run.status, 0);
    expect_one_line(run, "line by line: Too many open files; raise `ulimit -Hn`");
    EXPECT_EQ(as_lines(run.out).size(), 60U) << run.out;
}

TEST(RunOutput, NeedsNoMoreDescriptorsThanTheHardLimitAllows) {
    const ToolRun run = run_shell(60, "echo $ONECOPY_RANK", after([] {
                                      const rlimit limit{40, 1000};
                                      ::setrlimit(RLIMIT_NOFILE, &limit);
                                  }));
    EXPECT_EQ(run.status, 0);
    EXPECT_EQ(run.err, "");
    EXPECT_EQ(as_lines(run.out).size(), 60U) << run.out;
}

TEST(RunStatus, IsZeroWhenAllRanksSayZeroHoweverEarly) {
    const ScratchDirectory scratch;
    const ToolRun run = run_shell(2, "test $ONECOPY_RANK = 0 && { echo $$ > " + scratch / "pid" +
                                         "; exit; }; until test -s " + scratch / "pid" +
                                         "; do sleep 0.01; done; while kill -0 $(cat " +
                                         scratch / "pid" + "); do sleep 0.01; done; echo late");
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(run.out, "late\n");
    EXPECT_EQ(run.err.find("onecopy"), run.err.npos) << run.err;
}

TEST(RunStatus, IsThatOfTheFirstFailureAndOneLineNamesIt) {
    const ScratchDirectory scratch;
    // Rank 1 fails once the others can answer the SIGTERM, by failures of their own.
    const ToolRun run =
        run_shell(3, "if test $ONECOPY_RANK = 1; then until test -e " + scratch / "0 -a -e " +
                         scratch / "2; do sleep 0.01; done; echo $$ > " + scratch / "pid" +
                         "; exit 5; fi; trap 'exit 6' TERM; touch " + scratch / "$ONECOPY_RANK" +
                         "; while :; do sleep 0.01; done");
    EXPECT_EQ(run.status, 5);
    const std::string pid = std::to_string(test::pid_in(scratch / "pid"));
    // The shells may say of their own children that they were terminated.
    const std::string says =
        "onecopy: run: rank 1 (pid " + pid + ") ended with status 5; the other ranks were ended\n";
    EXPECT_TRUE(run.err.ends_with(says)) << run.err;
    EXPECT_EQ(run.err.find("onecopy"), run.err.rfind("onecopy")) << run.err;
}

TEST(RunStatus, IsThatOfTheSignalThatKilledARank) {
    const ToolRun run = run_shell(2, "test $ONECOPY_RANK = 1 && kill -SEGV $$; sleep 99");
    EXPECT_EQ(run.status, 128 + SIGSEGV);
    expect_one_line(run, ") was killed by SIGSEGV");
    EXPECT_NE(run.err.find("; the other ranks were ended"), run.err.npos) << run.err;
    const ToolRun alone = run_shell(1, "kill -ABRT $$");
    EXPECT_EQ(alone.status, 128 + SIGABRT);
    EXPECT_EQ(alone.err.find("other ranks"), alone.err.npos) << alone.err;
}

TEST(RunEnd, OfARankEndsThoseThatIgnoreSigtermAndWhateverTheyHaveStarted) {
    const ScratchDirectory scratch;
    const std::string script = "trap '' TERM; setsid sh -c 'echo $$ > " + scratch / "session" +
                               "; sleep 999' & sh -c 'echo $$ > " + scratch / "child" +
                               "; sleep 999' & if test $ONECOPY_RANK = 1; then until test -s " +
                               scratch / "session" + " -a -s " + scratch / "child" +
                               "; do sleep 0.01; done; exit 3; fi; sleep 999; sleep 999";
    const ToolRun run = run_shell(2, script);
    EXPECT_EQ(run.status, 3);
    EXPECT_TRUE(gone(test::pid_in(scratch / "session")));
    EXPECT_TRUE(gone(test::pid_in(scratch / "child")));
}

TEST(RunEnd, OfARankIsHeardByOneThatIsStopped) {
    const ScratchDirectory scratch;
    const ToolRun run =
        run_shell(2, "if test $ONECOPY_RANK = 0; then trap 'touch " + scratch / "heard" +
                         "; exit 0' TERM; echo $$ > " + scratch / "pid" +
                         "; kill -STOP $$; while :; do sleep 0.01; done; fi; until test -s " +
                         scratch / "pid" + " && grep -q '^State:.T' /proc/$(cat " +
                         scratch / "pid" + ")/status; do sleep 0.01; done; exit 4");
    EXPECT_EQ(run.status, 4);
    EXPECT_EQ(::access((scratch / "heard").c_str(), F_OK), 0);
}

TEST(RunEnd, OfTheLastRankEndsWhatTheyLeftBehind) {
    const ScratchDirectory scratch;
    const ToolRun run = run_shell(2, "setsid sh -c 'echo $$ > " + scratch / "$ONECOPY_RANK" +
                                         "; exec sleep 999' >&- 2>&- & until test -s " +
                                         scratch / "$ONECOPY_RANK" + "; do sleep 0.01; done");
    EXPECT_EQ(run.status, 0) << run.err;
    for (const char* rank : {"0", "1"}) EXPECT_TRUE(gone(test::pid_in(scratch / rank)));
}

TEST(RunErrors, AreOneLineWithTheStatusOfAShell) {
    const ToolRun missing = run_onecopy({"run", "-n", "100", "--", "nosuch", "-x"});
    EXPECT_EQ(missing.status, 127);
    expect_one_line(missing, "start nosuch: No such file or directory; give a program");
    const ToolRun refused = run_onecopy({"run", "-n", "2", "--", "/etc/passwd"});
    EXPECT_EQ(refused.status, 126);
    expect_one_line(refused, "start /etc/passwd: Permission denied; give a program");
}

TEST(RunErrors, NameWhatWasTypedWrong) {
    const auto refused = [](std::vector<std::string> arguments, const std::string& says) {
        arguments.insert(arguments.begin(), "run");
        const ToolRun run = run_onecopy(arguments);
        EXPECT_EQ(run.status, 2) << says;
        expect_one_line(run, says);
    };
    const std::string range = ": a job has 1 to 4096 ranks";
    refused({"-n", "0", "--", "true"}, "-n 0" + range);
    refused({"-n", "-3", "--", "true"}, "-n -3" + range);
    refused({"-n", "4097", "--", "true"}, "-n 4097" + range);
    refused({"-n", "99999999999", "--", "true"}, "-n 99999999999" + range);
    refused({"-n", "2x", "--", "true"}, "-n \"2x\": not a number");
    refused({"-n", "2", "--bind", "socket", "--", "true"}, "--bind \"socket\": write core or none");
    refused({"-n", "2", "sh", "-c", "true"}, "-c was not expected; write two dashes");
    refused({"-n", "2"}, "no program given");
    refused({"--", "true"}, "-n is required");
}

TEST(RunErrors, OfAForkEndWhatWasStarted) {
    ONECOPY_NEEDS_ROOT();
    const ScratchDirectory scratch;
    constexpr unsigned user_of_this_test = 60123;  // its processes are counted
    const ToolRun run =
        run_onecopy({"run", "-n", "50", "--", "sh", "-c", "exec sleep 999"}, after([] {
                        const rlimit limit{20, 20};
                        ::setrlimit(RLIMIT_NPROC, &limit);
                        if (test::become(test::user(user_of_this_test)) != 0) {
                            ::_exit(126);
                        }
                    }));
    EXPECT_EQ(run.status, 1);
    expect_one_line(run, "of 50: Resource temporarily unavailable; raise `ulimit -u`");
    EXPECT_EQ(test::processes_of(user_of_this_test), 0);
}

TEST(RunMany, AThousandAndMoreRanksStartAndEnd) {
    const ToolRun run = run_onecopy({"run", "-n", "1024", "--", "true"});
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(run.err, "");
}

/// A list of CPUs as the probe prints it.
std::string cpus_of(const cpu_set_t& set) {
    std::string list;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) list += (list.empty() ? "" : ",") + std::to_string(cpu);
    }
    return list;
}

cpu_set_t our_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    EXPECT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
    return set;
}

/// How many cores the CPUs in `set` belong to.
std::size_t cores_in(const cpu_set_t& set) {
    std::set<std::string> cores;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &set)) continue;
        const std::string path =
            "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/thread_siblings_list";
        cores.insert(::access(path.c_str(), R_OK) == 0 ? test::file_text(path) : path);
    }
    return cores.size();
}

TEST(RunBinding, GivesEachRankACoreOfItsOwnWhereThereAreEnough) {
    const cpu_set_t ours = our_cpus();
    const std::size_t cores = cores_in(ours);
    const std::vector<std::string> ranks = facts({"-n", std::to_string(cores)});
    ASSERT_EQ(ranks.size(), cores);
    std::set<std::string> used;
    int cpus = 0;
    for (const std::string& rank : ranks) {
        const std::string its = fact(rank, "cpus");
        EXPECT_TRUE(used.insert(its).second) << its;
        cpus += 1 + static_cast<int>(std::count(its.begin(), its.end(), ','));
    }
    EXPECT_EQ(cpus, CPU_COUNT(&ours)) << "a core is all of its hardware threads";
}

TEST(RunBinding, IsNoneByDefaultWhereRanksOutnumberCores) {
    const cpu_set_t ours = our_cpus();
    for (const std::string& rank : facts({"-n", std::to_string(cores_in(ours) + 1)})) {
        EXPECT_EQ(fact(rank, "cpus"), cpus_of(ours));
    }
    for (const std::string& rank : facts({"-n", "1", "--bind", "none"})) {
        EXPECT_EQ(fact(rank, "cpus"), cpus_of(ours));
    }
}

TEST(RunBinding, WrapsRoundWhenAskedForAndSaysSo) {
    const std::size_t cores = cores_in(our_cpus());
    const std::string count = std::to_string(cores + 1);
    const ToolRun run = run_onecopy({"run", "-n", count, "--bind", "core", "--", probe, "facts"});
    EXPECT_EQ(run.status, 0);
    expect_one_line(run, "--bind core: " + count + " ranks on " + std::to_string(cores) + " core");
    std::map<std::string, std::string> cpus;
    for (const std::string& line : as_lines(run.out)) cpus[fact(line, "rank")] = fact(line, "cpus");
    EXPECT_EQ(cpus["0"], cpus[std::to_string(cores)]);
}

TEST(RunBinding, StaysWithinWhatTheLauncherMayUse) {
    const cpu_set_t ours = our_cpus();
    int last = CPU_SETSIZE - 1;
    while (!CPU_ISSET(last, &ours)) --last;
    const ToolSetup setup = after([last] {
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(last, &one);
        ::sched_setaffinity(0, sizeof one, &one);
    });
    for (const std::string& rank : facts({"-n", "1"}, setup)) {
        EXPECT_EQ(fact(rank, "cpus"), std::to_string(last));
    }
}

TEST(RunBinding, ToAnotherMachinesTopologyIsRefused) {
    const ToolSetup setup = after([] { ::setenv("HWLOC_SYNTHETIC", "core:4 pu:2", 1); });
    const ToolRun run = run_onecopy({"run", "-n", "2", "--bind", "core", "--", "true"}, setup);
    EXPECT_EQ(run.status, 1);
    expect_one_line(run, "hwloc describes another machine");
    EXPECT_EQ(run_onecopy({"run", "-n", "2", "--", "true"}, setup).status, 0);
}

}  // namespace
}  // namespace onecopy
