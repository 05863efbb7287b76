// Every collective in every form, run on symbols.
#include "schedule/schedule.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "schedule/builder.hpp"
#include "schedule/domains.hpp"
#include "schedule/forms.hpp"
#include "simulator.hpp"

namespace onecopy::schedule::test {
namespace {

constexpr Collective collectives[] = {
    Collective::bcast,    Collective::gather, Collective::scatter,   Collective::allgather,
    Collective::alltoall, Collective::reduce, Collective::allreduce, Collective::reduce_scatter,
    Collective::scan,     Collective::exscan};
constexpr Form plain_forms[] = {Form::pull, Form::push, Form::redundant};

std::vector<int> roots(Collective what, int ranks) {
    if (!has_root(what) || ranks == 1) return {0};
    if (ranks == 2) return {0, 1};
    return {0, ranks / 2, ranks - 1};
}

/// The machine of `per_l3` ranks to each L3 and so on, in the order of the ranks.
std::vector<Where> machine(int ranks, int per_l3, int l3s, int numas) {
    std::vector<Where> places;
    for (int rank = 0; rank < ranks; ++rank) {
        const int l3 = rank / per_l3;
        places.push_back({l3 / l3s / numas, l3 / l3s, l3});
    }
    return places;
}

/// Nothing, 1 element, fewer than ranks, no multiple of the ranks, enough for whole cache lines.
std::vector<std::uint64_t> sizes(int ranks, std::uint64_t grain) {
    const auto n = static_cast<std::uint64_t>(ranks);
    return {0, grain, (n / 2 + 1) * grain, (3 * n + 1) * grain, (n * 300 + 7) * grain};
}

void expect_right(const Call& call) { ASSERT_EQ(fault_of(call), "") << text(call); }

void expect_right_everywhere(Collective what, Form form, int ranks, const Domains* domains) {
    for (const int root : roots(what, ranks)) {
        for (const std::uint64_t grain : {std::uint64_t{1}, std::uint64_t{12}}) {
            for (const std::uint64_t bytes : sizes(ranks, grain)) {
                expect_right({what, form, ranks, root, bytes, grain, domains});
            }
        }
    }
}

class Everything : public testing::TestWithParam<Collective> {};

TEST_P(Everything, IsRightForEveryNumberOfRanksUpTo20) {
    for (const Form form : plain_forms) {
        for (int ranks = 1; ranks <= 20; ++ranks) {
            expect_right_everywhere(GetParam(), form, ranks, nullptr);
        }
    }
}

TEST_P(Everything, IsRightForMoreRanks) {
    for (const Form form : plain_forms) {
        for (const int ranks : {31, 64, 100}) {
            expect_right({GetParam(), form, ranks, ranks / 3, 4096, 8, nullptr});
            expect_right({GetParam(), form, ranks, ranks - 1, 56, 8, nullptr});
        }
        for (const int ranks : {128, 192, 255, 256}) {
            expect_right({GetParam(), form, ranks, ranks / 3, 8000, 8, nullptr});
        }
    }
}

TEST_P(Everything, IsRightInPartsOfALongVector) {
    // scan and exscan go through their chains in parts.
    for (const Form form : plain_forms) {
        for (const int ranks : {1, 2, 3, 7}) {
            expect_right({GetParam(), form, ranks, 0, 1 << 20, 8, nullptr});
            expect_right({GetParam(), form, ranks, 0, 40 << 20, 8, nullptr});
            expect_right({GetParam(), form, ranks, 0, 3 << 20, 1 << 20, nullptr});
        }
    }
}

TEST_P(Everything, IsRightByDomainsOfEqualSize) {
    for (const auto& [ranks, per_l3, l3s, numas] : {std::tuple{4, 2, 1, 1},
                                                    {8, 2, 2, 1},
                                                    {16, 2, 2, 2},
                                                    {32, 4, 2, 2},
                                                    {24, 3, 2, 2},
                                                    {36, 3, 3, 2}}) {
        const Domains domains(machine(ranks, per_l3, l3s, numas));
        expect_right_everywhere(GetParam(), Form::domains, ranks, &domains);
    }
}

TEST_P(Everything, IsRightByDomainsOfUnequalSize) {
    for (int ranks = 1; ranks <= 20; ++ranks) {
        for (const auto& [per_l3, l3s, numas] : {std::tuple{3, 2, 1}, {2, 3, 2}, {5, 1, 2}}) {
            const Domains domains(machine(ranks, per_l3, l3s, numas));
            expect_right_everywhere(GetParam(), Form::domains, ranks, &domains);
        }
    }
}

TEST_P(Everything, IsRightByDomainsWhenRanksAreDealtOutToThem) {
    for (const int ranks : {5, 8, 16, 21}) {
        std::vector<Where> places;
        for (int rank = 0; rank < ranks; ++rank) {
            places.push_back({rank % 2, rank % 4 / 2, rank * 7 % 3});
        }
        const Domains domains(places);
        expect_right_everywhere(GetParam(), Form::domains, ranks, &domains);
    }
}

TEST_P(Everything, IsRightByDomainsForManyRanks) {
    const Domains twice64(machine(128, 8, 8, 1)), eight24(machine(192, 24, 1, 1)),
        wide(machine(256, 8, 4, 2)), odd(machine(255, 12, 4, 2)), hundred(machine(100, 7, 3, 2));
    for (const Domains* domains : {&twice64, &eight24, &wide, &odd, &hundred}) {
        const int ranks = domains->ranks();
        expect_right({GetParam(), Form::domains, ranks, ranks / 3, 65536, 8, domains});
        expect_right({GetParam(), Form::domains, ranks, 0, 24, 8, domains});
    }
}

TEST_P(Everything, IsThePullOneWhereThereIsNoSuchForm) {
    for (const Form form : {Form::push, Form::redundant, Form::domains}) {
        if (has_form(GetParam(), form)) continue;
        const Domains domains(machine(12, 2, 2, 2));
        for (int rank = 0; rank < 12; ++rank) {
            const Steps other = steps_of({GetParam(), form, 12, 3, 4096, 8, &domains}, rank);
            const Steps pull = steps_of({GetParam(), Form::pull, 12, 3, 4096, 8, nullptr}, rank);
            ASSERT_EQ(other.list.size(), pull.list.size());
            for (std::size_t i = 0; i < pull.list.size(); ++i) {
                EXPECT_EQ(other.list[i].targets, pull.list[i].targets);
                EXPECT_EQ(other.list[i].sources, pull.list[i].sources);
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Schedules, Everything, testing::ValuesIn(collectives),
                         [](const auto& one) {
                             const std::string all = text({one.param});
                             return all.substr(0, all.find(' '));
                         });

TEST(Schedule, OfAThousandRanksIsRight) {
    const Domains domains(machine(1024, 8, 8, 2));
    for (const Form form : {Form::pull, Form::domains}) {
        expect_right({Collective::allreduce, form, 1024, 0, 1 << 16, 8, &domains});
        expect_right({Collective::bcast, form, 1024, 1000, 1 << 16, 1, &domains});
    }
    expect_right({Collective::reduce, Form::domains, 1024, 77, 1 << 16, 8, &domains});
    expect_right({Collective::scan, Form::pull, 1024, 0, 64, 8, nullptr});
}

TEST(Schedule, OfOneOfFourThousandRanksNeedsNoOther) {
    // Each has only its own steps to make: not more than some for each other rank.
    const Domains domains(machine(4096, 16, 8, 4));
    for (const Collective what : collectives) {
        for (const Form form : {Form::pull, Form::push, Form::redundant, Form::domains}) {
            if (!has_form(what, form)) continue;
            EXPECT_LE(steps_of({what, form, 4096, 5, 1 << 20, 8, &domains}, 4095).list.size(),
                      2U * 4096);
        }
    }
}

TEST(Schedule, SplitsContributionsBehindTheLargestPowerOfTwo) {
    EXPECT_EQ(left_of(2), 1);
    EXPECT_EQ(left_of(3), 2);
    EXPECT_EQ(left_of(4), 2);
    EXPECT_EQ(left_of(5), 4);
    EXPECT_EQ(left_of(4096), 2048);
    EXPECT_EQ(left_of(4097), 4096);
}

TEST(Schedule, LetsEverybodyBeginAtAnotherPeer) {
    for (const Collective what : {Collective::allgather, Collective::alltoall}) {
        for (const Form form : {Form::pull, Form::push}) {
            for (int rank = 0; rank < 8; ++rank) {
                const Steps steps = steps_of({what, form, 8, 0, 4096, 8, nullptr}, rank);
                EXPECT_EQ(steps.list.at(1).sources.front().place.rank, (rank + 1) % 8);
            }
        }
    }
    for (int rank = 0; rank < 8; ++rank) {
        const Steps steps = steps_of({Collective::allreduce, Form::pull, 8, 0, 4096, 8}, rank);
        EXPECT_EQ(steps.list.at(1).sources.front().place.rank, (rank + 1) % 8);
    }
}

TEST(Schedule, HasBothOfTwoRanksMoveHalfIfTheyPush) {
    for (const Collective what : {Collective::bcast, Collective::gather, Collective::scatter,
                                  Collective::allgather, Collective::alltoall}) {
        std::uint64_t moved[2] = {};  // between the two
        for (int rank = 0; rank < 2; ++rank) {
            for (const Step& step :
                 steps_of({what, Form::push, 2, 0, 4096, 8, nullptr}, rank).list) {
                if (step.targets.front().rank != step.sources.front().place.rank) {
                    moved[rank] += step.bytes;
                }
            }
        }
        EXPECT_EQ(moved[0], moved[1]) << text({what, Form::push});
        EXPECT_EQ(moved[0] % 2048, 0U);
    }
}

TEST(Schedule, OfExscanLetsTheNextRankGoOnBeforeTheOwnResultIsCopied) {
    const Steps steps = steps_of({Collective::exscan, Form::pull, 4, 0, 4096, 8, nullptr}, 2);
    ASSERT_EQ(steps.list.size(), 2U);
    EXPECT_EQ(steps.list[0].targets.front().buffer, Buffer::partial);
    EXPECT_LT(steps.list[0].phase, steps.list[1].phase);
}

TEST(Schedule, MakesOneStepOfTwoThatGoOn) {
    const auto after = [](Step second) {  // how many steps they are
        Builder builder;
        builder.copy(1, 8, {0, Buffer::to, 0, 16}, {{1, Buffer::to, 0, 32}, 1, 0, 4});
        builder.add(second.phase, second.bytes, second.targets, second.sources);
        return std::move(builder).done(2).list.size();
    };
    const Step next{1, 8, {{0, Buffer::to, 0, 24}}, {{{1, Buffer::to, 0, 40}, 1, 0, 4}}};
    EXPECT_EQ(after(next), 1U);
    const auto changed = [&](auto change) {
        Step step = next;
        change(step);
        return after(step);
    };
    EXPECT_EQ(changed([](Step& step) { step.bytes = 0; }), 1U);
    EXPECT_EQ(changed([](Step& step) { step.phase = 2; }), 2U);
    EXPECT_EQ(changed([](Step& step) { step.targets[0].offset = 32; }), 2U);
    EXPECT_EQ(changed([](Step& step) { step.targets[0].rank = 2; }), 2U);
    EXPECT_EQ(changed([](Step& step) { step.sources[0].place.block = 1; }), 2U);
    EXPECT_EQ(changed([](Step& step) { step.sources[0].place.buffer = Buffer::from; }), 2U);
    EXPECT_EQ(changed([](Step& step) { step.sources[0].phase = 0; }), 2U);
    EXPECT_EQ(changed([](Step& step) { step.sources[0].count = 3; }), 2U);
    EXPECT_EQ(changed([](Step& step) { step.sources[0].first = 1; }), 2U);
    EXPECT_EQ(changed([](Step& step) { step.sources.push_back(step.sources[0]); }), 2U);
}

TEST(Schedule, CutsLongVectorsAtCacheLines) {
    for (int rank = 0; rank < 7; ++rank) {
        const Call call{Collective::allreduce, Form::pull, 7, 0, 8000, 8, nullptr};
        EXPECT_EQ(steps_of(call, rank).list.front().targets.front().offset % 64, 0U);
    }
}

}  // namespace
}  // namespace onecopy::schedule::test
