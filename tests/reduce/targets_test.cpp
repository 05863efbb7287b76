// The choice of an instruction set.
#include "reduce/targets.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace onecopy::reduction {
namespace {

/// Not a test: what the tests below start, to ask a fresh process.
TEST(ReduceTargetProbe, DISABLED_PrintsTheActiveTarget) {
    std::printf("\nactive=%s\n", active_table().target);
}

/// The active target of a new process under that environment; what it wrote goes to `output`.
std::string active_under(const std::string& environment, std::string* output = nullptr) {
    std::array<char, 4096> path{};
    if (readlink("/proc/self/exe", path.data(), path.size() - 1) < 0) return "?";
    const std::string command = "env " + environment + " '" + path.data() +
                                "' --gtest_also_run_disabled_tests "
                                "--gtest_filter=ReduceTargetProbe.* 2>&1";
    std::FILE* const pipe = popen(command.c_str(), "r");
    if (pipe == nullptr) return "?";
    std::string text;
    std::array<char, 256> piece{};
    while (std::fgets(piece.data(), piece.size(), pipe) != nullptr) text += piece.data();
    pclose(pipe);
    if (output != nullptr) *output = text;
    const std::size_t at = text.find("active=");
    return at == std::string::npos ? "?" : text.substr(at + 7, text.find('\n', at) - at - 7);
}

TEST(ReduceTargets, TheBestSupportedOneIsActive) {
    std::string best;
    for (std::size_t i = 0; i < compiled_table_count && best.empty(); ++i)
        if (supports(compiled_tables[i].needs)) best = compiled_tables[i].table->target;
    EXPECT_EQ(active_under("-u ONECOPY_SIMD"), best);
}

TEST(ReduceTargets, TheEnvironmentNamesAnother) {
    for (std::size_t i = 0; i < compiled_table_count; ++i) {
        const std::string name = compiled_tables[i].table->target;
        if (supports(compiled_tables[i].needs)) {
            EXPECT_EQ(active_under("ONECOPY_SIMD=" + name), name);
        }
    }
}

TEST(ReduceTargets, AnUnknownOneIsAnsweredByOneLineAndTheBest) {
    std::string output;
    EXPECT_EQ(active_under("ONECOPY_SIMD=mmx", &output), active_under("-u ONECOPY_SIMD"));
    EXPECT_NE(output.find("onecopy: ONECOPY_SIMD=mmx: "), std::string::npos) << output;
}

TEST(ReduceTargets, TheLastTableNeedsNothing) {
    EXPECT_EQ(compiled_tables[compiled_table_count - 1].needs, InstructionSet::baseline);
    EXPECT_TRUE(supports(InstructionSet::baseline));
}

TEST(ReduceTargets, ThreadsThatChooseTogetherAgree) {
    std::array<const KernelTable*, 8> seen{};
    std::vector<std::thread> threads;
    for (const KernelTable*& one : seen) threads.emplace_back([&one] { one = &active_table(); });
    for (std::thread& thread : threads) thread.join();
    for (const KernelTable* one : seen) EXPECT_EQ(one, seen[0]);
}

}  // namespace
}  // namespace onecopy::reduction
