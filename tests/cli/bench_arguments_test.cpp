// What the command line of `onecopy bench` refuses: one line that says what to do.
#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "cli/commands.hpp"
#include "cli/errors.hpp"

namespace onecopy::cli {
namespace {

/// What the command line answers: the one line of WrongInput, or "" if it was accepted.
std::string refusal_of(const std::string& arguments) {
    CLI::App app;
    int exit_status = 0;
    add_bench_command(app, exit_status);
    try {
        app.parse(arguments);
    } catch (const WrongInput& error) {
        return error.what();
    }
    return {};
}

struct BadLine {
    const char* arguments;
    const char* says;

    friend std::ostream& operator<<(std::ostream& out, const BadLine& line) {
        return out << line.arguments;  // the test's name
    }
};

class BadBenchArguments : public testing::TestWithParam<BadLine> {};

TEST_P(BadBenchArguments, AreRefusedInOneLine) {
    const std::string line = refusal_of(GetParam().arguments);
    EXPECT_NE(line.find(GetParam().says), std::string::npos) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos) << line;
}

INSTANTIATE_TEST_SUITE_P(
    BenchTransfer, BadBenchArguments,
    testing::Values(
        BadLine{"bench transfer --works all,reed", "'reed' is unknown; choose from read,write"},
        BadLine{"bench transfer --work read", "--work was not expected"},
        BadLine{"bench transfer read", "read was not expected"},
        BadLine{"bench transfer --works reed", "'reed' is unknown; choose from read,write"},
        BadLine{"bench transfer --ways magic", "'magic' is unknown; choose from memcpy"},
        BadLine{"bench transfer --sizes 8,x", "'x' is no size"},
        BadLine{"bench transfer --sizes 2G", "between 1 and 1 GiB"},
        BadLine{"bench transfer --repetitions 3x", "--repetitions 3x"},
        BadLine{"bench transfer --repetitions=-1", "--repetitions -1"},
        BadLine{"bench transfer --repetitions 100001", "--repetitions 100001"},
        BadLine{"bench transfer --works reduce --sizes 12", "12 bytes are no whole number"},
        BadLine{"bench transfer --works reduce --ways vmsplice", "none of them does reduce"},
        BadLine{"bench transfer --works read --sizes 8 --json /proc/absent/x.json", "--json"}));

INSTANTIATE_TEST_SUITE_P(
    BenchHeap, BadBenchArguments,
    testing::Values(BadLine{"bench heap --work loop", "--work was not expected"},
                    BadLine{"bench heap loop", "loop was not expected"},
                    BadLine{"bench heap --works lop", "'lop' is unknown; choose from loop"},
                    BadLine{"bench heap --ways jemalloc", "'jemalloc' is unknown"},
                    BadLine{"bench heap --sizes 8G", "between 1 and 4 GiB"},
                    BadLine{"bench heap --json /proc/absent/x.json", "--json"}));

INSTANTIATE_TEST_SUITE_P(
    BenchP2p, BadBenchArguments,
    testing::Values(BadLine{"bench p2p --work latency", "--work was not expected"},
                    BadLine{"bench p2p latency", "latency was not expected"},
                    BadLine{"bench p2p --works latencies", "'latencies' is unknown; choose from"},
                    BadLine{"bench p2p --ways nanomsg", "'nanomsg' is unknown; choose from memcpy"},
                    BadLine{"bench p2p --sizes 128M", "between 1 and 64 MiB"},
                    BadLine{"bench p2p --ranks 3", "'3' is no even number from 2 to 16"},
                    BadLine{"bench p2p --ranks 2,18", "'18' is no even number"},
                    BadLine{"bench p2p --ranks 2x", "'2x' is no even number"},
                    BadLine{"bench p2p --repetitions=-1", "--repetitions -1"},
                    BadLine{"bench p2p --json /proc/absent/x.json", "--json"}));

INSTANTIATE_TEST_SUITE_P(
    BenchCollectives, BadBenchArguments,
    testing::Values(
        BadLine{"bench collectives allreduce", "allreduce was not expected"},
        BadLine{"bench collectives --works alreduce", "'alreduce' is unknown; choose from barrier"},
        BadLine{"bench collectives --ways nccl", "'nccl' is unknown; choose from onecopy"},
        BadLine{"bench collectives --sizes 8,12", "12 bytes are no whole number of doubles"},
        BadLine{"bench collectives --sizes 128M", "between 1 and 64 MiB"},
        BadLine{"bench collectives --ranks 1", "'1' is no number from 2 to 16"},
        BadLine{"bench collectives --ranks 2,,4", "'' is no number from 2 to 16"},
        BadLine{"bench collectives --repetitions=-1", "--repetitions -1"},
        BadLine{"bench collectives --json /proc/absent/x.json", "--json"}));

INSTANTIATE_TEST_SUITE_P(
    BenchRanks, BadBenchArguments,
    testing::Values(BadLine{"bench ranks --work start", "--work was not expected"},
                    BadLine{"bench ranks start", "start was not expected"},
                    BadLine{"bench ranks --works begin", "'begin' is unknown; choose from start"},
                    BadLine{"bench ranks --ranks 1", "--ranks 1: no number from 2 to 4096"},
                    BadLine{"bench ranks --ranks 4097", "--ranks 4097: no number"},
                    BadLine{"bench ranks --ranks 8x", "--ranks 8x: no number"},
                    BadLine{"bench ranks --rounds 0", "--rounds 0: no number from 1"},
                    BadLine{"bench ranks --plot a.svg", "--plot was not expected"},
                    BadLine{"bench ranks --works start --json /proc/absent/x.json", "--json"}));

}  // namespace
}  // namespace onecopy::cli
