// onecopy run: signals, terminals, and the death of the launcher itself.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

#include "rank_processes.hpp"
#include "run_onecopy.hpp"

namespace onecopy {
namespace {

using test::after;
using test::as_lines;
using test::eventually;
using test::gone;
using test::pid_in;
using test::run_shell;
using test::ScratchDirectory;
using test::stopped;
using test::ToolRun;
using test::ToolSetup;

constexpr const char* forever = "while :; do sleep 0.01; done";

/// Ranks that say in a file of their own each time when they hear `signals` (as `trap` names them).
std::string listener(const ScratchDirectory& scratch, const std::string& signals) {
    std::string script;
    for (const std::string& signal : as_lines(signals)) {
        script +=
            "trap 'echo " + signal + " >> " + scratch / "heard$ONECOPY_RANK" + "' " + signal + ";";
    }
    return script + "echo $$ > " + scratch / "pid$ONECOPY_RANK" + ";";
}

/// How often a rank has heard a signal.
long heard(const ScratchDirectory& scratch, int rank, const std::string& signal) {
    const std::string path = scratch / ("heard" + std::to_string(rank));
    if (::access(path.c_str(), R_OK) != 0) return 0;
    const std::vector<std::string> lines = as_lines(test::file_text(path));
    return std::count(lines.begin(), lines.end(), signal);
}

/// Waits until so many ranks run, and returns their numbers.
std::vector<pid_t> running(const ScratchDirectory& scratch, int ranks) {
    std::vector<pid_t> pids;
    for (int rank = 0; rank < ranks; ++rank) {
        pids.push_back(pid_in(scratch / ("pid" + std::to_string(rank))));
    }
    return pids;
}

TEST(RunSignals, ReachAllRanks) {
    const std::vector<std::pair<int, std::string>> signals{
        {SIGINT, "INT"},   {SIGTERM, "TERM"}, {SIGHUP, "HUP"},    {SIGQUIT, "QUIT"},
        {SIGUSR1, "USR1"}, {SIGUSR2, "USR2"}, {SIGWINCH, "WINCH"}};
    for (const auto& one : signals) {
        const auto [signal, name] = one;
        const ScratchDirectory scratch;
        const std::string script = listener(scratch, name) + "until test -s " +
                                   scratch / "heard$ONECOPY_RANK" + "; do sleep 0.01; done; exit 0";
        const ToolRun run = run_shell(3, script, test::when_started([&](pid_t tool) {
                                          running(scratch, 3);
                                          ::kill(tool, one.first);
                                      }));
        EXPECT_EQ(run.status, 0) << name << run.err;
        for (int rank = 0; rank < 3; ++rank) EXPECT_EQ(heard(scratch, rank, name), 1) << name;
    }
}

TEST(RunSignals, ThatEndTheRanksEndTheLauncherByTheSame) {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1}) {
        const ScratchDirectory scratch;
        const ToolRun run = run_shell(2, listener(scratch, "") + "exec sleep 999",
                                      test::when_started([&](pid_t tool) {
                                          running(scratch, 2);
                                          ::kill(tool, signal);
                                      }));
        EXPECT_EQ(run.signal, signal);
        EXPECT_EQ(run.err, "") << "whoever sent it knows";
    }
}

TEST(RunSignals, ThatWereIgnoredStaySoForTheLauncherAndTheRanks) {
    for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGQUIT, SIGUSR1}) {
        const ScratchDirectory scratch;
        ToolSetup setup = after([signal] { ::signal(signal, SIG_IGN); });
        setup.started = [&](pid_t tool) {
            running(scratch, 2);
            ::kill(tool, signal);
            test::make_file(scratch / "sent", "");
        };
        const ToolRun run = run_shell(2,
                                      listener(scratch, "") + "kill -" + std::to_string(signal) +
                                          " $$; until test -e " + scratch / "sent" +
                                          "; do sleep 0.01; done; echo alive",
                                      setup);
        EXPECT_EQ(run.out, "alive\nalive\n") << signal;
        EXPECT_EQ(run.status, 0) << signal;
    }
}

TEST(RunSignals, ThatWereIgnoredAreNotPassedOn) {
    const ScratchDirectory scratch;
    ToolSetup setup = after([] { ::signal(SIGHUP, SIG_IGN); });
    setup.started = [&](pid_t tool) {
        running(scratch, 1);
        ::kill(tool, SIGHUP);
        ::kill(tool, SIGUSR1);
    };
    // The rank minds the signal although the launcher was told to ignore it.
    const ToolRun run =
        test::run_onecopy({"run", "-n", "1", "--", "env", "--default-signal=HUP", "sh", "-c",
                           listener(scratch, "HUP\nUSR1") + "until grep -qs USR1 " +
                               scratch / "heard0" + "; do sleep 0.01; done; exit 0"},
                          setup);
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(heard(scratch, 0, "HUP"), 0);
}

TEST(RunSignals, AreFoundAsTheyWereByTheRanks) {
    // No shell: those may unblock all.
    const ToolRun run = test::run_onecopy(
        {"run", "-n", "1", "--", "grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"}, after([] {
            sigset_t one;
            ::sigemptyset(&one);
            ::sigaddset(&one, SIGUSR2);
            ::sigprocmask(SIG_SETMASK, &one, nullptr);
        }));
    EXPECT_NE(run.out.find("SigBlk:\t0000000000000800\n"), run.out.npos) << run.out;
    EXPECT_NE(run.out.find("SigIgn:\t0000000000000000\n"), run.out.npos) << run.out;
}

TEST(RunSignals, TwoAtOnceThatAskToEndAreOne) {
    const ScratchDirectory scratch;
    const ToolRun run =
        run_shell(1,
                  listener(scratch, "TERM\nUSR1") + "until test -s " + scratch / "heard0" +
                      " && grep -q USR1 " + scratch / "heard0" + "; do sleep 0.01; done; exit 0",
                  test::when_started([&](pid_t tool) {
                      running(scratch, 1);
                      ::kill(tool, SIGTERM);
                      eventually([&] { return heard(scratch, 0, "TERM") == 1; });
                      ::kill(tool, SIGTERM);  // as `timeout` does
                      ::kill(tool, SIGUSR1);
                  }));
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(heard(scratch, 0, "TERM"), 1);
}

TEST(RunSignals, ASecondThatAsksToEndKills) {
    const ScratchDirectory scratch;
    const ToolRun run =
        run_shell(2, listener(scratch, "TERM") + forever, test::when_started([&](pid_t tool) {
                      const auto ranks = running(scratch, 2);
                      // Those within a second are one: how many it takes is open.
                      eventually([&] {
                          ::kill(tool, SIGTERM);
                          test::nap(50);
                          return gone(ranks[0]) && gone(ranks[1]);
                      });
                  }));
    EXPECT_EQ(run.signal, SIGTERM);
    EXPECT_EQ(heard(scratch, 0, "TERM"), 1);
    EXPECT_EQ(heard(scratch, 1, "TERM"), 1);
}

TEST(RunSignals, AStoppedLauncherStopsTheRanksAndTakesThemOnAgain) {
    const ScratchDirectory scratch;
    // A process group of its own, with a parent outside: else the kernel ignores stop signals.
    ToolSetup setup = after([] { ::setpgid(0, 0); });
    setup.started = [&](pid_t tool) {
        const auto ranks = running(scratch, 2);
        ::kill(tool, SIGTSTP);
        for (const pid_t pid : {tool, ranks[0], ranks[1]}) {
            EXPECT_TRUE(eventually([&] { return stopped(pid); }));
        }
        ::kill(tool, SIGCONT);
        for (const pid_t pid : {tool, ranks[0], ranks[1]}) {
            EXPECT_TRUE(eventually([&] { return !stopped(pid); }));
        }
        ::kill(tool, SIGTERM);
    };
    const ToolRun run = run_shell(2, listener(scratch, "") + "exec sleep 999", setup);
    EXPECT_EQ(run.signal, SIGTERM) << run.err;
}

TEST(RunSignals, ALauncherThatTheKernelDoesNotStopLeavesNoRankStopped) {
    const ScratchDirectory scratch;
    // The leader of a session: nobody could take it on again.
    ToolSetup setup = after([] { ::setsid(); });
    setup.started = [&](pid_t tool) {
        running(scratch, 2);
        ::kill(tool, SIGTSTP);
        for (const int rank : {0, 1}) {
            EXPECT_TRUE(eventually([&] { return heard(scratch, rank, "CONT") > 0; }));
        }
        ::kill(tool, SIGKILL);
    };
    EXPECT_EQ(run_shell(2, listener(scratch, "CONT") + forever, setup).signal, SIGKILL);
}

/// Ranks with a child and with a child in another session, all of which have told their numbers.
std::string family(const ScratchDirectory& scratch) {
    return "sh -c 'echo $$ > " + scratch / "child$ONECOPY_RANK" + "; sleep 999' & " +
           "setsid sh -c 'trap \"\" HUP TERM; echo $$ > " + scratch / "session$ONECOPY_RANK" +
           "; sleep 999; sleep 999' & echo $$ > " + scratch / "pid$ONECOPY_RANK" +
           "; exec sleep 999";  // a shell that starts something cannot be seen stopped
}

std::vector<pid_t> family_members(const ScratchDirectory& scratch, int ranks) {
    std::vector<pid_t> pids;
    for (int rank = 0; rank < ranks; ++rank) {
        for (const char* name : {"pid", "child", "session"}) {
            pids.push_back(pid_in(scratch / (name + std::to_string(rank))));
        }
    }
    return pids;
}

pid_t parent_of(pid_t pid) {
    const std::string stat = test::file_text("/proc/" + std::to_string(pid) + "/stat");
    return std::stoi(stat.substr(stat.rfind(") ") + 4));
}

void expect_all_gone(const std::vector<pid_t>& pids) {
    for (const pid_t pid : pids) EXPECT_TRUE(eventually([&] { return gone(pid); })) << pid;
}

TEST(RunKilled, TheLauncherLeavesNobodyBehind) {
    const ScratchDirectory scratch;
    std::vector<pid_t> pids;
    const ToolRun run = run_shell(2, family(scratch), test::when_started([&](pid_t tool) {
                                      pids = family_members(scratch, 2);
                                      pids.push_back(parent_of(pids[0]));
                                      ::kill(tool, SIGKILL);
                                  }));
    EXPECT_EQ(run.signal, SIGKILL);
    expect_all_gone(pids);
}

TEST(RunKilled, TheLaunchersWholeGroupLeavesNobodyBehind) {
    const ScratchDirectory scratch;
    std::vector<pid_t> pids;
    ToolSetup setup = after([] { ::setpgid(0, 0); });
    setup.started = [&](pid_t tool) {
        pids = family_members(scratch, 2);
        ::kill(-tool, SIGKILL);
    };
    run_shell(2, family(scratch), setup);
    expect_all_gone(pids);
}

TEST(RunKilled, TheStoppedLauncherLeavesNobodyBehind) {
    const ScratchDirectory scratch;
    std::vector<pid_t> pids;
    ToolSetup setup = after([] { ::setpgid(0, 0); });
    setup.started = [&](pid_t tool) {
        pids = family_members(scratch, 1);
        ::kill(tool, SIGTSTP);
        EXPECT_TRUE(eventually([&] { return stopped(tool) && stopped(pids[0]); }));
        ::kill(tool, SIGKILL);
    };
    run_shell(1, family(scratch), setup);
    expect_all_gone(pids);
}

TEST(RunKilled, TheKeeperIsNoticedByTheLauncher) {
    const ScratchDirectory scratch;
    std::vector<pid_t> pids;
    const ToolRun run = run_shell(2, family(scratch), test::when_started([&](pid_t) {
                                      pids = family_members(scratch, 2);
                                      ::kill(parent_of(pids[0]), SIGKILL);
                                  }));
    EXPECT_EQ(run.status, 128 + SIGKILL);
    EXPECT_NE(run.err.find("that kept the ranks was killed by SIGKILL"), run.err.npos) << run.err;
    for (const pid_t pid : pids) EXPECT_TRUE(gone(pid)) << "before the launcher ended";
}

TEST(RunKilled, TheKeeperTakesTheRanksWithIt) {
    const ScratchDirectory scratch;
    run_shell(2, listener(scratch, "") + "exec sleep 999", test::when_started([&](pid_t tool) {
                  const auto ranks = running(scratch, 2);
                  ::kill(tool, SIGSTOP);  // it cannot help
                  ::kill(parent_of(ranks[0]), SIGKILL);
                  expect_all_gone(ranks);
                  ::kill(tool, SIGKILL);
              }));
}

TEST(RunKilled, WhatPassesOutputOnIsAFailureOfTheJob) {
    const ScratchDirectory scratch;
    const auto kill_it = [](pid_t keeper) {
        for (const std::string& word : test::children_of(keeper)) {
            if (test::file_text("/proc/" + word + "/comm") != "onecopy-output\n") continue;
            return ::kill(std::stoi(word), SIGKILL) == 0;
        }
        return false;
    };
    const ToolRun run =
        run_shell(1, listener(scratch, "") + "exec sleep 999", test::when_started([&](pid_t) {
                      const pid_t keeper = parent_of(running(scratch, 1)[0]);
                      EXPECT_TRUE(eventually([&] { return kill_it(keeper); }));
                  }));
    EXPECT_EQ(run.status, 1);
    EXPECT_NE(run.err.find("pass on the ranks' output: "), run.err.npos) << run.err;
}

TEST(RunKilled, ChildrenThatTheLauncherHadBeforeAreNotTheJobs) {
    const ScratchDirectory scratch;
    pid_t stranger = -1;
    ToolSetup setup = after([&scratch] {
        if (::fork() != 0) return;
        for (int fd = 0; fd < 1024; ++fd) ::close(fd);  // the test's ends of pipes
        test::make_file(scratch / "stranger", std::to_string(::getpid()) + "\n");
        for (;;) ::pause();
    });
    setup.started = [&](pid_t) {
        stranger = pid_in(scratch / "stranger");
        ::kill(parent_of(running(scratch, 1)[0]), SIGKILL);
    };
    EXPECT_EQ(run_shell(1, listener(scratch, "") + forever, setup).status, 128 + SIGKILL);
    EXPECT_FALSE(gone(stranger));
    ::kill(stranger, SIGKILL);
}

/// A terminal with a session, and in its foreground a group of its own that runs `onecopy run`, as
/// a shell would start it. When it is stopped, the leader says so in `stopped`, and goes on with it
/// once `continue` is there.
class Terminal {
public:
    Terminal(const ScratchDirectory& scratch, int ranks, const std::string& script)
        : scratch_(scratch), master_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
        std::array<char, 64> name{};
        if (master_ < 0 || ::grantpt(master_) != 0 || ::unlockpt(master_) != 0 ||
            ::ptsname_r(master_, name.data(), name.size()) != 0) {
            throw std::runtime_error("no terminal");
        }
        leader_ = ::fork();
        if (leader_ == 0) lead(name.data(), std::to_string(ranks), script);
    }
    ~Terminal() {
        ::kill(leader_, SIGKILL);
        ::waitpid(leader_, nullptr, 0);
        ::close(master_);
    }
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;

    void type(const std::string& keys) const {
        if (::write(master_, keys.data(), keys.size()) < 0) throw std::runtime_error("type");
    }

    /// All that appeared up to now has `text` in it, or will have.
    bool shows(const std::string& text) {
        return eventually([&] {
            pollfd waiting{master_, POLLIN, 0};
            std::array<char, 4096> piece;
            if (::poll(&waiting, 1, 10) == 1) {
                const ssize_t got = ::read(master_, piece.data(), piece.size());
                if (got > 0) seen_.append(piece.data(), static_cast<std::size_t>(got));
            }
            return seen_.find(text) != seen_.npos;
        });
    }
    [[nodiscard]] const std::string& seen() const { return seen_; }

    /// The tool's status as waitpid tells it.
    int status() {
        shows("\nend ");
        return std::stoi(seen_.substr(seen_.find("\nend ") + 5));
    }

private:
    [[noreturn]] void lead(const char* name, const std::string& ranks, const std::string& script) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::setsid();
        const int terminal = ::open(name, O_RDWR);
        ::ioctl(terminal, TIOCSCTTY, 0);
        for (const int fd : {0, 1, 2}) ::dup2(terminal, fd);
        ::signal(SIGTTOU, SIG_IGN);
        const pid_t tool = ::fork();
        if (tool == 0) {
            ::setpgid(0, 0);
            ::tcsetpgrp(0, ::getpid());
            ::signal(SIGTTOU, SIG_DFL);
            ::execl(ONECOPY_TOOL, "onecopy", "run", "-n", ranks.c_str(), "--", "sh", "-c",
                    script.c_str(), nullptr);
            ::_exit(127);
        }
        int status = 0;
        while (::waitpid(tool, &status, WUNTRACED) == tool && WIFSTOPPED(status)) {
            test::make_file(scratch_ / "stopped", "");
            while (::access((scratch_ / "continue").c_str(), F_OK) != 0) test::nap(10);
            ::kill(-tool, SIGCONT);
        }
        ::dprintf(1, "\nend %d\n", status);
        for (;;) ::pause();
    }

    const ScratchDirectory& scratch_;
    int master_;
    pid_t leader_ = -1;
    std::string seen_;
};

TEST(RunTerminal, IsReadByRankZeroAndPromptsAreShown) {
    const ScratchDirectory scratch;
    Terminal terminal(scratch, 2,
                      "test $ONECOPY_RANK = 1 && exit; printf 'who? '; read name; echo got $name");
    ASSERT_TRUE(terminal.shows("who? "));
    terminal.type("somebody\n");
    EXPECT_TRUE(terminal.shows("got somebody")) << terminal.seen();
    EXPECT_EQ(terminal.status(), 0);
}

TEST(RunTerminal, InterruptReachesEachRankOnce) {
    const ScratchDirectory scratch;
    // Exact counts, but for two that come as one before a rank gets to run.
    Terminal terminal(scratch, 3,
                      std::string("exec " ONECOPY_RANK_PROBE " count ") + scratch / "pid");
    const auto ranks = running(scratch, 3);
    terminal.type("\x03");
    ASSERT_TRUE(terminal.shows("^C"));
    test::nap(50);                                    // for a second one to come by itself
    ::kill(parent_of(parent_of(ranks[0])), SIGUSR1);  // behind all that is on its way
    EXPECT_EQ(terminal.status(), 0) << terminal.seen();
    for (int rank = 0; rank < 3; ++rank) {
        EXPECT_TRUE(terminal.shows("rank " + std::to_string(rank) + ": 1\r")) << terminal.seen();
    }
}

TEST(RunTerminal, InterruptTwiceKillsAtOnce) {
    const ScratchDirectory scratch;
    Terminal terminal(scratch, 2, listener(scratch, "INT") + forever);
    running(scratch, 2);
    terminal.type("\x03");
    for (int rank = 0; rank < 2; ++rank) {
        EXPECT_TRUE(eventually([&] { return heard(scratch, rank, "INT") > 0; })) << rank;
    }
    terminal.type("\x03");
    const int status = terminal.status();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) << status;
}

TEST(RunTerminal, SuspendStopsAllAndTheShellTakesThemOn) {
    const ScratchDirectory scratch;
    Terminal terminal(scratch, 2, listener(scratch, "") + "exec sleep 999");
    const auto ranks = running(scratch, 2);
    terminal.type("\x1a");
    for (const pid_t pid : ranks) EXPECT_TRUE(eventually([&] { return stopped(pid); }));
    EXPECT_TRUE(eventually([&] { return ::access((scratch / "stopped").c_str(), F_OK) == 0; }));
    test::make_file(scratch / "continue", "");
    for (const pid_t pid : ranks) EXPECT_TRUE(eventually([&] { return !stopped(pid); }));
    terminal.type("\x03");
    const int status = terminal.status();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) << status;
}

TEST(RunTerminal, InterruptThatRankZeroHearsFirstIsNoFailureOfItsOwn) {
    const ScratchDirectory scratch;
    Terminal terminal(scratch, 2, listener(scratch, "") + "exec sleep 999");
    const auto ranks = running(scratch, 2);
    ::kill(parent_of(parent_of(ranks[0])), SIGSTOP);
    EXPECT_TRUE(eventually([&] { return ::access((scratch / "stopped").c_str(), F_OK) == 0; }));
    terminal.type("\x03");
    EXPECT_TRUE(eventually([&] { return gone(ranks[0]); }));
    test::make_file(scratch / "continue", "");
    const int status = terminal.status();
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) << status << terminal.seen();
}

}  // namespace
}  // namespace onecopy
