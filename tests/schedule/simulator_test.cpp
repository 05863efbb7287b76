// The simulator sees what is wrong: right schedules are broken here.
#include "simulator.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "schedule/domains.hpp"

namespace onecopy::schedule::test {
namespace {

const Call allreduce{Collective::allreduce, Form::pull, 5, 0, 400, 8, nullptr};

std::string fault_after(const Call& call,
                        const std::function<void(std::vector<Steps>&)>& breaking) {
    std::vector<Steps> steps = all_steps(call);
    breaking(steps);
    return fault_in(call, steps);
}

TEST(Simulator, SeesAStepThatIsMissing) {
    EXPECT_EQ(fault_after(allreduce, [](auto& steps) { steps[2].list.pop_back(); }),
              "rank 2, step 0: a part of its result is missing");
    EXPECT_EQ(
        fault_after(allreduce, [](auto& steps) { steps[2].list.erase(steps[2].list.begin()); }),
        "rank 1, step 1: reads what is not there: to of rank 2");
}

TEST(Simulator, SeesASecondWriter) {
    EXPECT_EQ(
        fault_after(allreduce, [](auto& steps) { steps[2].list.push_back(steps[2].list.back()); }),
        "rank 2, step 5: a byte has two writers");
}

TEST(Simulator, SeesThatNobodyWaitsForTheResult) {
    // Though rank 1 happens to have made it here, when rank 3 reads it.
    for (const int phase : {0, 1}) {
        EXPECT_EQ(fault_after(allreduce,
                              [phase](auto& steps) {
                                  for (Step& step : steps[3].list) {
                                      for (Source& source : step.sources) {
                                          if (source.place.rank == 1) source.phase = phase;
                                      }
                                  }
                              }),
                  phase == 0 ? "rank 3, step 3: reads what may not be there yet" : "");
    }
}

TEST(Simulator, SeesACycleOfWaits) {
    EXPECT_EQ(fault_after(allreduce,
                          [](auto& steps) {
                              steps[0].list[0].sources[1].phase = 2;
                              steps[1].list[0].sources[0].phase = 2;
                          }),
              "rank 0, step 0: waits for ever");
}

TEST(Simulator, SeesAnotherBracket) {
    // 0 (1 2) instead of (0 1) 2.
    EXPECT_EQ(fault_after({Collective::reduce, Form::redundant, 3, 0, 8, 8, nullptr},
                          [](auto& steps) {
                              const Step whole = steps[0].list[0];
                              const Place part{0, Buffer::partial, 0, 0};
                              const Source made{part, 1, 1, 2};
                              steps[0].list = {{1, 8, {part}, {whole.sources[1], whole.sources[2]}},
                                               {2, 8, whole.targets, {whole.sources[0], made}}};
                              steps[0].partial_bytes = 8;
                              for (Steps& one : steps) one.phases = 2;
                          }),
              "rank 0, step 1: cannot be combined so");
    EXPECT_EQ(fault_after(allreduce,
                          [](auto& steps) {
                              std::swap(steps[1].list[0].sources[0], steps[1].list[0].sources[1]);
                          }),
              "rank 1, step 0: sources are not adjacent");
}

TEST(Simulator, SeesBytesFromElsewhere) {
    EXPECT_EQ(
        fault_after(allreduce, [](auto& steps) { steps[1].list[0].sources[0].place.offset -= 8; }),
        "rank 1, step 0: cannot be combined so");
    EXPECT_EQ(fault_after({Collective::alltoall, Form::pull, 3, 0, 8, 8, nullptr},
                          [](auto& steps) { steps[1].list[0].sources[0].place.block = 2; }),
              "rank 1, step 0: wrong result");
}

TEST(Simulator, SeesWhatNobodyAskedFor) {
    EXPECT_EQ(
        fault_after({Collective::exscan, Form::pull, 3, 0, 8, 8, nullptr},
                    [](auto& steps) {
                        steps[0].list.push_back(
                            {1, 8, {{0, Buffer::to, 0, 0}}, {{{0, Buffer::from, 0, 0}, 0, 0, 1}}});
                    }),
        "rank 0, step 0: target out of bounds");
}

TEST(Simulator, SeesAnElementThatIsCut) {
    EXPECT_EQ(fault_after(allreduce, [](auto& steps) { steps[1].list[0].bytes -= 4; }),
              "rank 1, step 0: its bytes");
}

TEST(Simulator, SeesThatAnInPlaceContributionIsOverwrittenTooEarly) {
    // Ranks fetch what rank 1 has made from rank 1; rank 0 makes it once more, at any time.
    EXPECT_EQ(fault_after(allreduce,
                          [](auto& steps) {
                              const Step& made = steps[1].list[0];
                              Step& fetched = steps[0].list[1];
                              fetched.sources = made.sources;
                          }),
              "rank 0, step 1: overwrites what rank 1 may still read");
}

TEST(Simulator, SeesPartialMemoryThatIsNotUsed) {
    EXPECT_EQ(fault_after({Collective::reduce, Form::pull, 3, 0, 24, 8, nullptr},
                          [](auto& steps) { steps[1].partial_bytes += 8; }),
              "rank 1, step 0: its partial_bytes");
}

}  // namespace
}  // namespace onecopy::schedule::test
