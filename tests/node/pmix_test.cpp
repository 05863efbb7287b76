// Programs without MPI, and with it, as ranks that launchers of others have started.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "onecopy/error.hpp"
#include "support/child.hpp"

namespace onecopy {
namespace {

using Words = std::vector<std::string>;

const std::string rank_program = ONECOPY_LAUNCHED_RANK;
constexpr int wrong = 9;  // what it ends with when something throws

/// How a command ended, and what it and all that it started have said.
struct Result {
    int status = -1;  ///< of its exit; -1: it was killed, perhaps because it did not end
    std::string out, err;

    /// "rank 0 of 2" and so on, sorted.
    [[nodiscard]] Words ranks() const {
        Words lines;
        std::istringstream stream(out);
        for (std::string line; std::getline(stream, line);) lines.push_back(line);
        std::sort(lines.begin(), lines.end());
        return lines;
    }
};

/// All lines that jobs of these sizes say, each `times` times, sorted.
Words lines_of(const std::vector<int>& sizes, int times = 1) {
    Words lines;
    for (const int size : sizes) {
        for (int rank = 0; rank < size; ++rank) {
            lines.insert(lines.end(), static_cast<std::size_t>(times),
                         "rank " + std::to_string(rank) + " of " + std::to_string(size));
        }
    }
    std::sort(lines.begin(), lines.end());
    return lines;
}

std::string text_of(int fd) {
    std::string text;
    std::array<char, 4096> piece;
    ssize_t got = 0;
    while ((got = ::pread(fd, piece.data(), piece.size(), static_cast<off_t>(text.size()))) > 0) {
        text.append(piece.data(), static_cast<std::size_t>(got));
    }
    return text;
}

/// A command in a process group of its own.
class Command {
public:
    /// `environment`: "NAME=value", besides ours without onecopy's and PMIx's variables.
    explicit Command(Words words, const Words& environment = {})
        : out_(::memfd_create("out", MFD_CLOEXEC)), err_(::memfd_create("err", MFD_CLOEXEC)) {
        std::vector<char*> arguments;
        for (std::string& word : words) arguments.push_back(word.data());
        arguments.push_back(nullptr);
        pid_ = ::fork();
        if (pid_ != 0) return;
        ::setpgid(0, 0);
        for (const char* name : {"ONECOPY_JOB", "ONECOPY_RANK", "ONECOPY_SIZE", "PMIX_NAMESPACE"}) {
            ::unsetenv(name);
        }
        ::setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 1);
        ::setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 1);
        for (const std::string& each : environment) ::putenv(const_cast<char*>(each.c_str()));
        ::dup2(::open("/dev/null", O_RDONLY | O_CLOEXEC), STDIN_FILENO);
        ::dup2(out_, STDOUT_FILENO);
        ::dup2(err_, STDERR_FILENO);
        ::execvp(arguments[0], arguments.data());
        ::_exit(127);
    }
    ~Command() {
        end();
        ::close(out_);
        ::close(err_);
    }
    Command(const Command&) = delete;
    Command& operator=(const Command&) = delete;

    [[nodiscard]] std::string out() const { return text_of(out_); }
    [[nodiscard]] pid_t pid() const { return pid_; }

    Result wait() {
        int status = 0;
        const bool ended =
            test::eventually([&] { return ::waitpid(pid_, &status, WNOHANG) == pid_; });
        Result result{-1, text_of(out_), text_of(err_)};
        EXPECT_TRUE(ended) << "it hangs\n" << result.out << result.err;
        if (ended) {
            pid_ = -1;
            if (WIFEXITED(status)) result.status = WEXITSTATUS(status);
        }
        return result;
    }

private:
    /// A launcher ends its ranks before it ends by SIGTERM.
    void end() const {
        if (pid_ < 0) return;
        ::kill(pid_, SIGTERM);
        ::kill(pid_, SIGCONT);
        const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(5);
        while (::waitpid(pid_, nullptr, WNOHANG) == 0) {
            if (std::chrono::steady_clock::now() > limit) {
                ::kill(-pid_, SIGKILL);
                ::waitpid(pid_, nullptr, 0);
                break;
            }
            std::this_thread::sleep_for(std::chrono::milliseconds(10));
        }
    }

    int out_, err_;
    pid_t pid_ = -1;
};

Result run(Words words, const Words& environment = {}) {
    return Command(std::move(words), environment).wait();
}

Words operator+(Words left, const Words& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

bool is_installed(const char* program) {
    std::istringstream path(std::getenv("PATH"));
    for (std::string folder; std::getline(path, folder, ':');) {
        if (::access((folder + "/" + program).c_str(), X_OK) == 0) return true;
    }
    return false;
}

Words mpirun(int ranks, const Words& options = {}) {
    return Words{"mpirun.openmpi", "--oversubscribe", "-n", std::to_string(ranks)} + options;
}

/// Jobs of Open MPI's mpirun.
class Pmix : public testing::Test {
protected:
    void SetUp() override {
        if (!is_installed("mpirun.openmpi")) GTEST_SKIP() << "there is no mpirun.openmpi";
    }

    static Result start(int ranks, const Words& words) {
        return run(mpirun(ranks) + Words{rank_program} + words);
    }
};

#define EXPECT_SUCCESS(result, lines)       \
    do {                                    \
        EXPECT_EQ((result).status, 0);      \
        EXPECT_EQ((result).ranks(), lines); \
        EXPECT_EQ((result).err, "");        \
    } while (false)

TEST_F(Pmix, RanksOfMpirunAreTheRanksOfAJob) {
    EXPECT_SUCCESS(start(4, {"node"}), lines_of({4}));
    EXPECT_SUCCESS(start(1, {"node"}), lines_of({1}));
}

TEST_F(Pmix, ProgramsOfOneMpirunAreOneJob) {
    EXPECT_SUCCESS(run(mpirun(1) + Words{rank_program, "node", ":", "-n", "2", rank_program,
                                         "one_thread", "node"}),
                   lines_of({3}));
}

// mpirun starts its daemons by a command that does not go to another machine at all.
TEST_F(Pmix, TheRanksOfEachMachineAreAJobOfTheirOwn) {
    std::string here = "/tmp/onecopy-pmix-XXXXXX";
    ASSERT_NE(::mkdtemp(here.data()), nullptr);
    const std::string agent = here + "/agent";
    std::ofstream(agent) << "#!/bin/sh\nshift\nexec sh -c \"$*\"\n";
    ::chmod(agent.c_str(), 0700);
    const Words machines = {"--mca",         "plm", "rsh", "--mca",
                            "plm_rsh_agent", agent, "-H",  "one:2,two:3"};
    EXPECT_SUCCESS(run(mpirun(5, machines) + Words{rank_program, "node"}), lines_of({2, 3}));
    // Those of the other machine are not waited for: its first rank, 2, never joins.
    Command job(mpirun(5, machines) + Words{rank_program, "2:pause", "0:node", "1:node", "pause"});
    EXPECT_TRUE(test::eventually([&] {
        return Result{0, job.out(), {}}.ranks() == lines_of({2});
    }));
    std::filesystem::remove_all(here);
}

TEST_F(Pmix, NoThreadOfPmixStaysInAProgramWithoutMpi) {
    EXPECT_SUCCESS(start(2, {"one_thread", "keep", "one_thread"}), lines_of({2}));
}

TEST_F(Pmix, AProcessMayJoinAgainAndAgain) {
    constexpr int times = 12;
    EXPECT_SUCCESS(start(3, Words(times, "node")), lines_of({3}, times));
}

TEST_F(Pmix, ProgramsMayFollowEachOtherInTheSameRanks) {
    const std::string one = rank_program + " node node";
    EXPECT_SUCCESS(run(mpirun(3) + Words{"sh", "-c", one + " && " + one + " && exec " + one}),
                   lines_of({3}, 6));
}

TEST_F(Pmix, AnExitWithALivingNodeIsANormalEnd) {
    EXPECT_SUCCESS(start(2, {"keep", "exit=0"}), lines_of({2}));
}

TEST_F(Pmix, AnExitStatusIsThatOfTheJob) { EXPECT_EQ(start(2, {"node", "1:exit=3"}).status, 3); }

TEST_F(Pmix, ARankThatDiesBeforeItJoinsEndsTheJob) {
    for (const char* const death : {"0:die", "1:die"}) {
        const Result result = start(3, {death, "node"});
        EXPECT_NE(result.status, 0) << death;
        EXPECT_EQ(result.out, "") << death;
    }
}

TEST_F(Pmix, WhoWaitsInVainForARankOfThisMachineIsTold) {
    for (const char* const absent : {"0:pause", "1:pause"}) {
        const Result result = start(3, {absent, "timeout=1000", "node"});
        EXPECT_EQ(result.status, wrong) << absent;
        EXPECT_NE(result.err.find("system " + std::to_string(ETIMEDOUT) +
                                  " onecopy: join a job by PMIx: wait for"),
                  std::string::npos)
            << result.err;
    }
}

TEST_F(Pmix, AKeyComesFirst) {
    // PMIx, if it were asked, would know nothing of that namespace.
    EXPECT_SUCCESS(run(mpirun(3, {"env", "PMIX_NAMESPACE=none", rank_program, "node"}),
                       {"ONECOPY_JOB=key:of the test " + std::to_string(::getpid())}),
                   lines_of({3}));
}

// Where no launcher is.

void expect_no_job(const Result& result, const std::string& why) {
    EXPECT_EQ(result.status, wrong);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    const std::string start = "onecopy " + std::to_string(static_cast<int>(Errc::no_job)) +
                              " onecopy: join a job by PMIx: ";
    EXPECT_TRUE(result.err.starts_with(start + why)) << result.err;
}

const Words gone = {"PMIX_NAMESPACE=gone", "PMIX_RANK=0",
                    // A port that nobody listens at.
                    "PMIX_SERVER_URI4=gone.0;tcp4://127.0.0.1:1",
                    "PMIX_SERVER_URI41=gone.0;tcp4://127.0.0.1:1"};

TEST(PmixAlone, AVariableOfALauncherThatHasEndedIsAnError) {
    expect_no_job(run({rank_program, "node"}, gone), "PMIx_Init: UNREACHABLE; ");
}

TEST(PmixAlone, ALibraryThatIsNotThereIsAnError) {
    std::string here = "/tmp/onecopy-pmix-XXXXXX";
    ASSERT_NE(::mkdtemp(here.data()), nullptr);
    std::ofstream(here + "/libpmix.so.2").flush();  // the loader finds that, and takes no other
    expect_no_job(run({rank_program, "node"}, gone + Words{"LD_LIBRARY_PATH=" + here}),
                  here + "/libpmix.so.2: file too short; install libpmix2");
    std::filesystem::remove_all(here);
}

TEST(PmixAlone, NothingIsLinkedToIt) {
    const Result result = run({"ldd", rank_program});
    EXPECT_EQ(result.status, 0);
    EXPECT_NE(result.out.find("libonecopy"), std::string::npos) << result.out;
    EXPECT_EQ(result.out.find("libpmix"), std::string::npos) << result.out;
}

// Under Hydra there is no PMIx: by key, and by the numbers that it gives.

class Hydra : public testing::Test {
protected:
    void SetUp() override {
        if (!is_installed("mpirun.mpich")) GTEST_SKIP() << "there is no mpirun.mpich";
    }
};

TEST_F(Hydra, RanksOfMpichsMpirunFindEachOtherByAKey) {
    EXPECT_SUCCESS(run({"mpirun.mpich", "-n", "4", rank_program, "node", "node"},
                       {"ONECOPY_JOB=key:of the test " + std::to_string(::getpid())}),
                   lines_of({4}, 2));
}

TEST_F(Hydra, WithoutAKeyARankIsToldThatItIsOfNoJob) {
    const Result result = run({"mpirun.mpich", "-n", "1", rank_program, "node"});
    EXPECT_NE(result.status, 0);
    EXPECT_NE(result.err.find("is no rank of a job"), std::string::npos) << result.err;
}

#ifdef ONECOPY_LAUNCHED_MPI_RANK

// The same with an MPI in the program.

class PmixAndMpi : public Pmix {
protected:
    static Result start(int ranks, const Words& words) {
        return run(mpirun(ranks) + Words{ONECOPY_LAUNCHED_MPI_RANK} + words);
    }
};

TEST_F(PmixAndMpi, ANodeMayComeBeforeMpiInit) {
    EXPECT_SUCCESS(start(2, {"node", "mpi_init", "mpi_sum", "mpi_finalize"}), lines_of({2}));
}

TEST_F(PmixAndMpi, ANodeMayComeAfterMpiInit) {
    EXPECT_SUCCESS(start(2, {"mpi_init", "node", "mpi_sum", "mpi_finalize"}), lines_of({2}));
}

TEST_F(PmixAndMpi, ANodeMayComeAfterMpiFinalize) {
    EXPECT_SUCCESS(start(2, {"mpi_init", "mpi_sum", "mpi_finalize", "node", "node"}),
                   lines_of({2}, 2));
}

TEST_F(PmixAndMpi, NodesMayComeAtEveryTime) {
    EXPECT_SUCCESS(
        start(3, {"node", "node", "mpi_init", "node", "mpi_sum", "node", "mpi_finalize", "node"}),
        lines_of({3}, 5));
}

TEST_F(PmixAndMpi, ANodeMayOutliveMpi) {
    EXPECT_SUCCESS(start(2, {"keep", "mpi_init", "mpi_sum", "mpi_finalize"}), lines_of({2}));
}

TEST_F(PmixAndMpi, AProgramWithMpiNeedNotInitialiseIt) {
    EXPECT_SUCCESS(start(2, {"keep"}), lines_of({2}));
    EXPECT_SUCCESS(start(2, {"node", "exit=0"}), lines_of({2}));
}

#endif

}  // namespace
}  // namespace onecopy
