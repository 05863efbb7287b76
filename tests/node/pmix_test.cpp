// Programs without MPI, and with it, as ranks of Open MPI's mpirun.
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <string>

#include "commands.hpp"
#include "onecopy/error.hpp"
#include "support/child.hpp"

namespace onecopy {
namespace {

using test::Arguments;
using test::Command;
using test::Ended;
using test::is_installed;
using test::lines_of;
using test::rank_program;
using test::run;
using test::operator+;

Arguments mpirun(int ranks, const Arguments& options = {}) {
    return Arguments{"mpirun.openmpi", "--oversubscribe", "-n", std::to_string(ranks)} + options;
}

/// Jobs of Open MPI's mpirun.
class Pmix : public testing::Test {
protected:
    void SetUp() override {
        if (!is_installed("mpirun.openmpi")) GTEST_SKIP() << "there is no mpirun.openmpi";
    }

    static Ended start(int ranks, const Arguments& words) {
        return run(mpirun(ranks) + Arguments{rank_program} + words);
    }
};

TEST_F(Pmix, RanksOfMpirunAreTheRanksOfAJob) {
    EXPECT_SUCCESS(start(4, {"node"}), lines_of({4}));
    EXPECT_SUCCESS(start(1, {"node"}), lines_of({1}));
}

TEST_F(Pmix, WhoeverComesLastIsWaitedFor) {
    EXPECT_SUCCESS(start(3, {"0:nap=300", "node"}), lines_of({3}));
    EXPECT_SUCCESS(start(3, {"2:nap=300", "node"}), lines_of({3}));
}

TEST_F(Pmix, ProgramsOfOneMpirunAreOneJob) {
    EXPECT_SUCCESS(run(mpirun(1) + Arguments{rank_program, "node", ":", "-n", "2", rank_program,
                                             "one_thread", "node"}),
                   lines_of({3}));
}

// mpirun starts its daemons by a command that does not go to another machine at all. Their files
// are in folders of their own, as they would be there.
TEST_F(Pmix, TheRanksOfEachMachineAreAJobOfTheirOwn) {
    const test::Folder here;
    const std::string agent = here.path() + "/agent";
    std::ofstream(agent) << "#!/bin/sh\nexport TMPDIR=" << here.path() << "/$1\n"
                         << "mkdir -p $TMPDIR\nshift\nexec sh -c \"$*\"\n";
    ::chmod(agent.c_str(), 0700);
    const Arguments machines = {"--mca",
                                "plm",
                                "rsh",
                                "--mca",
                                "plm_rsh_agent",
                                agent,
                                "--mca",
                                "oob_tcp_if_include",
                                "lo",
                                "-H",
                                "one:2,two:3"};
    EXPECT_SUCCESS(run(mpirun(5, machines) + Arguments{rank_program, "node"}), lines_of({2, 3}));
    // Those of the other machine are not waited for: its first rank, 2, never joins.
    const Command job(mpirun(5, machines) +
                      Arguments{rank_program, "2:pause", "0:node", "1:node", "pause"});
    EXPECT_TRUE(test::eventually([&] { return Ended{0, job.out(), {}}.ranks() == lines_of({2}); }));
}

TEST_F(Pmix, NoThreadOfPmixStaysInAProgramWithoutMpi) {
    EXPECT_SUCCESS(start(2, {"one_thread", "keep", "one_thread"}), lines_of({2}));
}

TEST_F(Pmix, AProcessMayJoinAgainAndAgain) {
    constexpr int times = 12;
    EXPECT_SUCCESS(start(3, Arguments(times, "node")), lines_of({3}, times));
    // Whoever asks early does not get the key of the time before.
    EXPECT_SUCCESS(start(3, {"node", "0:nap=200", "node", "1:nap=200", "node"}), lines_of({3}, 3));
}

TEST_F(Pmix, ProgramsMayFollowEachOtherInTheSameRanks) {
    const std::string one = rank_program + " node node";
    EXPECT_SUCCESS(run(mpirun(3) + Arguments{"sh", "-c", one + " && " + one + " && exec " + one}),
                   lines_of({3}, 6));
}

TEST_F(Pmix, AnExitWithALivingNodeIsANormalEnd) {
    EXPECT_SUCCESS(start(2, {"keep", "exit=0"}), lines_of({2}));
}

TEST_F(Pmix, AnExitStatusIsThatOfTheJob) { EXPECT_EQ(start(2, {"node", "1:exit=3"}).status, 3); }

TEST_F(Pmix, ARankThatDiesBeforeItJoinsEndsTheJob) {
    for (const char* const death : {"0:die", "1:die"}) {
        const Ended result = start(3, {death, "node"});
        EXPECT_EQ(result.status, 128 + SIGKILL) << death;
        EXPECT_EQ(result.out, "") << death;
    }
}

TEST_F(Pmix, WhoWaitsInVainForARankOfThisMachineIsTold) {
    for (const char* const absent : {"0:pause", "1:pause"}) {
        const Ended result = start(3, {absent, "timeout=1000", "node"});
        EXPECT_EQ(result.status, test::rank_wrong) << absent << '\n' << result.err;
        EXPECT_NE(result.err.find("system " + std::to_string(ETIMEDOUT) +
                                  " onecopy: join a job by PMIx: wait for"),
                  std::string::npos)
            << absent << '\n'
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

void expect_no_job(const Ended& result, const std::string& why) {
    EXPECT_EQ(result.status, test::rank_wrong);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
    const std::string start = "onecopy " + std::to_string(static_cast<int>(Errc::no_job)) +
                              " onecopy: join a job by PMIx: ";
    EXPECT_TRUE(result.err.starts_with(start + why)) << result.err;
}

const Arguments gone = {"PMIX_NAMESPACE=gone", "PMIX_RANK=0",
                        // A port that nobody listens at.
                        "PMIX_SERVER_URI4=gone.0;tcp4://127.0.0.1:1",
                        "PMIX_SERVER_URI41=gone.0;tcp4://127.0.0.1:1"};

TEST(PmixAlone, AVariableOfALauncherThatHasEndedIsAnError) {
    expect_no_job(run({rank_program, "node"}, gone), "PMIx_Init: UNREACHABLE; ");
}

TEST(PmixAlone, ALibraryThatIsNotThereIsAnError) {
    const test::Folder here;
    const std::string file = here.path() + "/libpmix.so.2";
    std::ofstream(file).flush();  // the loader finds that, and takes no other
    expect_no_job(run({rank_program, "node"}, gone + Arguments{"LD_LIBRARY_PATH=" + here.path()}),
                  file + ": file too short; install libpmix2");
}

TEST(PmixAlone, NothingIsLinkedToIt) {
    const Ended result = run({"ldd", rank_program});
    EXPECT_EQ(result.status, 0);
    EXPECT_NE(result.out.find("libonecopy"), std::string::npos) << result.out;
    EXPECT_EQ(result.out.find("libpmix"), std::string::npos) << result.out;
}

#ifdef ONECOPY_LAUNCHED_MPI_RANK

// The same with an MPI in the program.

class PmixAndMpi : public Pmix {
protected:
    static Ended start(int ranks, const Arguments& words) {
        return run(mpirun(ranks) + Arguments{ONECOPY_LAUNCHED_MPI_RANK} + words);
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

// Its server then forgets who asked for the key of a rank that has not left MPI yet.
TEST_F(PmixAndMpi, RanksMayLeaveMpiAtDifferentTimes) {
    for (const char* const late : {"0", "1"}) {
        const Arguments options = {"-x", "LD_PRELOAD=" ONECOPY_LATE_FINALIZE, "-x",
                                   std::string("LATE_RANK=") + late};
        EXPECT_SUCCESS(
            run(mpirun(2, options) + Arguments{ONECOPY_LAUNCHED_MPI_RANK, "mpi_init", "mpi_sum",
                                               "mpi_finalize", "node", "node"}),
            lines_of({2}, 2));
    }
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
