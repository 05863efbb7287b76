#include "cli/bench_jobs.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <string>
#include <vector>

#include "cli/bench_p2p.hpp"
#include "cli/bench_p2p_ways.hpp"
#include "cli/bench_timing.hpp"
#include "cli/bench_turns.hpp"
#include "os/process_status.hpp"
#include "support/child.hpp"

namespace onecopy::cli {
namespace {

namespace fs = std::filesystem;

const JobWay& way_named(std::string_view name) {
    const auto ways = p2p_ways();
    return *std::find_if(ways.begin(), ways.end(),
                         [name](const JobWay& way) { return way.name == name; });
}

/// A job of two ranks by pipes, which is there.
struct Running {
    JobYard yard{"test"};
    std::vector<int> cpus = usable_cpus();
    Job job{yard, plan_of(way_named("pipe"), 2, cpus.size()), JobSize{2, cpus, 1 << 16, 4096}};

    Running() { job.wait_for_ranks(test::deadlock_guard_ms); }

    [[nodiscard]] std::vector<pid_t> pids() const {
        std::vector<pid_t> pids;
        for (const JobRank& rank : job.reports()) pids.push_back(rank.pid.load());
        return pids;
    }
};

JobCommand bandwidth() {
    JobCommand command;
    command.work.set("bandwidth");
    command.bytes = 4096;
    command.operations = 3;
    return command;
}

char state_of(pid_t pid) {
    std::error_code error;
    const os::ProcessStatus status = os::read_process_status(pid, error);
    return error ? '-' : status.state;
}

bool gone(pid_t pid) { return state_of(pid) == '-' || state_of(pid) == 'Z'; }

std::string command_line(const std::string& pid) {
    std::ifstream file("/proc/" + pid + "/cmdline", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// Processes that have `words` among their arguments.
std::vector<pid_t> processes_with(const std::string& words) {
    std::vector<pid_t> pids;
    std::error_code ignored;
    for (const fs::directory_entry& entry : fs::directory_iterator("/proc", ignored)) {
        const std::string name = entry.path().filename();
        if (name.find_first_not_of("0123456789") != std::string::npos) continue;
        if (command_line(name).find(words) != std::string::npos) pids.push_back(std::stoi(name));
    }
    return pids;
}

/// What there is of a bench whose folder has this name: other benches may run meanwhile.
std::set<std::string> files_of(const std::string& name) {
    std::set<std::string> found;
    for (const char* const place : {"/dev/shm", "/tmp"}) {
        std::error_code ignored;
        for (const fs::directory_entry& entry : fs::directory_iterator(place, ignored)) {
            if (entry.path().filename().string().starts_with(name)) found.insert(entry.path());
        }
    }
    return found;
}

/// The name of the bench's folder, which every rank is told.
std::string folder_named_to(pid_t rank) {
    std::ifstream file("/proc/" + std::to_string(rank) + "/environ", std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const std::string begin = "TMPDIR=/dev/shm/";
    const std::size_t at = text.find(begin);
    if (at == std::string::npos) return {};
    const std::size_t name = at + begin.size();
    return text.substr(name, text.find('/', name) - name);
}

TEST(BenchJobs, RanksSleepBetweenTheirTurns) {
    Running running;
    for (int turn = 0; turn < 3; ++turn) {
        ASSERT_TRUE(test::eventually([&] {
            for (const pid_t pid : running.pids()) {
                if (state_of(pid) != 'S') return false;
            }
            return true;
        }));
        running.job.run(bandwidth(), test::deadlock_guard_ms);
        for (std::size_t i = 0; i < 3; ++i) EXPECT_GT(elapsed_us(running.job.reports(), i), 0);
    }
}

TEST(BenchJobs, RanksEndWithTheirJob) {
    std::vector<pid_t> pids;
    {
        Running running;
        pids = running.pids();
    }
    for (const pid_t pid : pids) EXPECT_TRUE(test::eventually([pid] { return gone(pid); }));
}

TEST(BenchJobs, RanksThatAnotherProcessStartedEndWithTheirJob) {
    // As under mpirun: the job's own process is a shell, the ranks are its children.
    std::vector<pid_t> pids;
    {
        const JobYard yard("test");
        const std::vector<int> cpus = usable_cpus();
        JobPlan plan = plan_of(way_named("pipe"), 2, cpus.size());
        plan.command = {"/bin/sh", "-c", "\"$0\" \"$1\" 0 & \"$0\" \"$1\" 1 & exec sleep 1000",
                        plan.command[0], "{control}"};
        plan.has_launcher = true;
        Job job(yard, plan, JobSize{2, cpus, 1 << 16, 4096});
        job.wait_for_ranks(test::deadlock_guard_ms);
        for (const JobRank& rank : job.reports()) pids.push_back(rank.pid.load());
    }
    for (const pid_t pid : pids) EXPECT_TRUE(test::eventually([pid] { return gone(pid); })) << pid;
}

TEST(BenchJobs, AJobThatIsAskedToEndDoesSoByItself) {
    Running running;
    running.job.run(bandwidth(), test::deadlock_guard_ms);
    EXPECT_TRUE(running.job.end(test::deadlock_guard_ms));
    for (const pid_t pid : running.pids()) EXPECT_TRUE(gone(pid));
}

TEST(BenchJobs, AYardRemovesWhatJobsLeft) {
    std::string name;
    {
        const JobYard yard("test");
        name = fs::path(yard.folder()).filename();
        std::ofstream(yard.folder() + "/file") << "left";
        std::ofstream(yard.folder() + ".queue") << "left";
        std::ofstream("/tmp/" + name + ".lock") << "left";
        EXPECT_EQ(files_of(name).size(), 3U);
    }
    EXPECT_EQ(files_of(name), std::set<std::string>{});
}

/// By which signal, and how long after its first ranks were seen: some are killed while jobs start,
/// some while they measure.
struct Kill {
    int signal;
    int after_ms;
};

class KilledBench : public testing::TestWithParam<Kill> {};

TEST_P(KilledBench, LeavesNoProcessAndNoFile) {
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
        P2pBench bench;
        bench.works = {"bandwidth"};
        // Not iceoryx: its daemon is one for the machine.
        bench.ways = {"memcpy", "openmpi", "mpich", "zeromq", "boost", "boost-offset", "pipe"};
        bench.sizes = {4096};
        bench.rounds = 1'000'000;
        std::FILE* nowhere = std::fopen("/dev/null", "we");
        run_p2p_bench(bench, nowhere);
        ::_exit(0);
    }
    // All ranks have this among their arguments, and so have the MPIs' launchers.
    const std::string mark = "/proc/" + std::to_string(pid) + "/fd/";
    std::string name;
    EXPECT_TRUE(test::eventually([&] {
        const std::vector<pid_t> found = processes_with(mark);
        if (found.size() >= 4) name = folder_named_to(found.front());
        return !name.empty();
    }));
    EXPECT_FALSE(files_of(name).empty());
    ::poll(nullptr, 0, GetParam().after_ms);
    ::kill(pid, GetParam().signal);
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == GetParam().signal) << status;
    EXPECT_TRUE(test::eventually([&] { return processes_with(mark).empty(); }))
        << processes_with(mark).size() << " processes are left";
    EXPECT_TRUE(test::eventually([&] { return files_of(name).empty(); }))
        << *files_of(name).begin();
}

INSTANTIATE_TEST_SUITE_P(BenchJobs, KilledBench,
                         testing::Values(Kill{SIGKILL, 0}, Kill{SIGKILL, 1000}, Kill{SIGINT, 300},
                                         Kill{SIGTERM, 600}),
                         [](const auto& kill) {
                             return std::string(::sigabbrev_np(kill.param.signal)) + "After" +
                                    std::to_string(kill.param.after_ms);
                         });

TEST(BenchTurns, AnOperationLastsFromTheFirstBeginToTheLastEnd) {
    std::vector<JobRank> ranks(3);
    ranks[0].stamps[1] = {1'000'000, 1'005'000};
    ranks[1].stamps[1] = {1'001'000, 1'009'000};
    EXPECT_DOUBLE_EQ(elapsed_us(ranks, 1), 9);  // the third had nothing to do
    EXPECT_EQ(elapsed_us(ranks, 0), 0);
}

}  // namespace
}  // namespace onecopy::cli
