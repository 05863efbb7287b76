#include "schedule/domains.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "schedule/forms.hpp"
#include "schedule/traffic.hpp"
#include "simulator.hpp"

namespace onecopy::schedule::test {
namespace {

constexpr Link far_links[] = {Link::numa, Link::package, Link::machine};

/// So many of each in each of the next larger.
std::vector<Where> aligned(int packages, int numas, int l3s, int ranks) {
    std::vector<Where> places;
    for (int rank = 0; rank < packages * numas * l3s * ranks; ++rank) {
        const int l3 = rank / ranks;
        places.push_back({l3 / l3s / numas, l3 / l3s % numas, l3 % l3s});
    }
    return places;
}

Traffic traffic_of(const Call& call) {
    Traffic traffic;
    for (int rank = 0; rank < call.ranks; ++rank) {
        for (const Step& step : steps_of(call, rank).list) traffic.add(step, rank, *call.domains);
    }
    return traffic;
}

std::vector<int> members(const Domains& domains, int level, int domain) {
    const auto all = domains.members(level, domain);
    return {all.begin(), all.end()};
}

TEST(Domains, HaveALevelForEachThingThatSplits) {
    EXPECT_EQ(Domains(aligned(2, 2, 4, 8)).levels(), 4);
    EXPECT_EQ(Domains(aligned(2, 1, 8, 8)).levels(), 3);
    EXPECT_EQ(Domains(aligned(8, 1, 1, 24)).levels(), 2);
    EXPECT_EQ(Domains(aligned(1, 1, 1, 6)).levels(), 1);
    EXPECT_EQ(Domains(aligned(2, 2, 1, 1)).levels(), 2) << "one rank each is no domain";
}

TEST(Domains, TellWhereNumbersBeginAnewFromWhereTheyGoOn) {
    const Domains anew(std::vector<Where>{{0, 0, 0}, {0, 0, 0}, {0, 1, 0}, {0, 1, 0}}),
        on(std::vector<Where>{{0, 0, 0}, {0, 0, 0}, {0, 1, 1}, {0, 1, 1}});
    EXPECT_EQ(anew.count(1), 2);
    EXPECT_EQ(on.count(1), 2);
}

TEST(Domains, KeepRanksOfOneTogetherInWhateverOrderTheyCome) {
    const Domains domains(
        std::vector<Where>{{1, 0, 5}, {0, 0, 2}, {1, 0, 4}, {0, 0, 2}, {1, 0, 5}, {0, 0, 9}});
    ASSERT_EQ(domains.levels(), 3);
    EXPECT_EQ(members(domains, 0, 0), (std::vector{1, 3, 5, 2, 0, 4}));
    EXPECT_EQ(members(domains, 1, 0), (std::vector{1, 3, 5}));
    EXPECT_EQ(members(domains, 2, domains.domain_of(2, 4)), (std::vector{0, 4}));
    EXPECT_EQ(domains.index_in(1, 5), 2);
    EXPECT_EQ(domains.index_in(2, 4), 1);
    EXPECT_EQ(domains.index_in(2, 2), 0);
}

TEST(Domains, DealOutToCounterpartsOneAfterTheOther) {
    const Domains domains(aligned(2, 1, 2, 3));
    EXPECT_TRUE(std::ranges::equal(domains.dealing_order(),
                                   std::vector{0, 6, 3, 9, 1, 7, 4, 10, 2, 8, 5, 11}));
}

TEST(Domains, MakeTheLargestNodesThatFit) {
    // 0-2 | 3-5 | 6: of ((01)(23)) ((45)6) the first has 01, the second 45.
    const Domains domains(std::vector<Where>{
        {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 1}, {0, 0, 1}, {0, 0, 1}, {0, 0, 2}});
    ASSERT_EQ(domains.levels(), 2);
    std::vector<std::pair<int, int>> nodes;
    for (const Domains::Node& node : domains.nodes(1)) {
        nodes.push_back({node.first, node.count});
        EXPECT_EQ(node.level, node.count > 1 ? 1 : 2);
    }
    using Pair = std::pair<int, int>;
    EXPECT_EQ(nodes, (std::vector{Pair{0, 2}, Pair{2, 1}, Pair{3, 1}, Pair{4, 2}, Pair{6, 1}}));
    EXPECT_EQ(domains.made_in(1, 0), 1);
    EXPECT_EQ(domains.made_in(1, 2), 0);
    EXPECT_EQ(domains.nodes(0).size(), 1U);
    EXPECT_EQ(domains.operands(domains.nodes(0)[0]).size(), 5U);
    EXPECT_EQ(domains.operands(domains.nodes(1)[3]).size(), 2U);
}

TEST(Domains, KnowTheLinkBetweenTwoRanks) {
    EXPECT_EQ(link_between({0, 0, 0}, {0, 0, 0}), Link::l3);
    EXPECT_EQ(link_between({0, 0, 0}, {0, 0, 1}), Link::numa);
    EXPECT_EQ(link_between({0, 0, 0}, {0, 1, 0}), Link::package);
    EXPECT_EQ(link_between({0, 0, 0}, {1, 0, 0}), Link::machine);
}

class Crossing : public testing::TestWithParam<std::tuple<int, int, int, int>> {};

TEST_P(Crossing, AnEdgeAsFewBytesAsCan) {
    const auto [packages, numas, l3s, ranks] = GetParam();
    const Domains domains(aligned(packages, numas, l3s, ranks));
    for (const Collective what : {Collective::bcast, Collective::allgather, Collective::reduce,
                                  Collective::allreduce, Collective::reduce_scatter}) {
        for (const int root : {0, domains.ranks() / 2 + 1}) {
            for (const std::uint64_t bytes : {std::uint64_t{40}, std::uint64_t{1} << 16}) {
                const Call call{what, Form::domains, domains.ranks(), root % domains.ranks(), bytes,
                                8,    &domains};
                const Traffic traffic = traffic_of(call);
                for (const Link link : far_links) {
                    // Ranks that share nothing but this share the work of a reduce all the same.
                    const bool alone =
                        what == Collective::reduce && ranks == 1 && link == Link::numa;
                    EXPECT_LE(traffic.at_least(link),
                              least_bytes(call, domains, link) + (alone ? bytes : 0))
                        << text(call) << ", link " << static_cast<int>(link);
                }
            }
        }
    }
}

TEST_P(Crossing, AnEdgeOnceAndNoMoreWhereNoFormSavesAny) {
    const auto [packages, numas, l3s, ranks] = GetParam();
    const Domains domains(aligned(packages, numas, l3s, ranks));
    for (const Collective what :
         {Collective::gather, Collective::scatter, Collective::alltoall, Collective::scan}) {
        const Call call{what, Form::domains, domains.ranks(), domains.ranks() - 1, 320,
                        8,    &domains};
        const Traffic traffic = traffic_of(call);
        for (const Link link : far_links) {
            EXPECT_EQ(traffic.at_least(link), least_bytes(call, domains, link)) << text(call);
        }
    }
}

TEST_P(Crossing, AnEdgeWithEverybodyAtWork) {
    // What goes down through each level is shared by all that can take part.
    const auto [packages, numas, l3s, ranks] = GetParam();
    const Domains domains(aligned(packages, numas, l3s, ranks));
    const Call call{Collective::allreduce, Form::domains, domains.ranks(), 0, 1 << 20, 8, &domains};
    std::uint64_t most = 0, least = ~std::uint64_t{0};
    for (int rank = 0; rank < call.ranks; ++rank) {
        std::uint64_t moved = 0;
        for (const Step& step : steps_of(call, rank).list) moved += step.bytes;
        most = std::max(most, moved);
        least = std::min(least, moved);
    }
    EXPECT_LE(most - least, least / 20);
}

// packages, NUMA nodes in each, L3s in each, ranks in each
INSTANTIATE_TEST_SUITE_P(Trees, Crossing,
                         testing::Values(std::tuple{2, 2, 4, 8}, std::tuple{2, 1, 8, 8},
                                         std::tuple{2, 1, 1, 64}, std::tuple{8, 1, 1, 16},
                                         std::tuple{1, 4, 2, 2}, std::tuple{1, 1, 4, 4},
                                         std::tuple{4, 2, 2, 1}, std::tuple{1, 1, 1, 8}));

TEST(Traffic, OfUnalignedDomainsIsLessThanThatOfNone) {
    std::vector<Where> places;  // 8 x 24
    for (int rank = 0; rank < 192; ++rank) places.push_back({rank / 24, 0, 0});
    const Domains domains(places);
    for (const Collective what : {Collective::bcast, Collective::allgather, Collective::reduce,
                                  Collective::allreduce, Collective::reduce_scatter}) {
        const Call call{what, Form::domains, 192, 100, 1 << 16, 8, &domains};
        Call flat = call;
        flat.form = Form::pull;
        EXPECT_LT(traffic_of(call).at_least(Link::machine) * 4,
                  traffic_of(flat).at_least(Link::machine))
            << text(call);
        EXPECT_GE(traffic_of(call).at_least(Link::machine),
                  least_bytes(call, domains, Link::machine));
    }
}

TEST(Traffic, CountsWhatIsReadAndWhatIsWrittenElsewhere) {
    const Domains domains(aligned(2, 1, 1, 2));
    Traffic traffic;
    traffic.add({1,
                 10,
                 {{0, Buffer::to, 0, 0}, {2, Buffer::to, 0, 0}},
                 {{{0, Buffer::from, 0, 0}, 0, 0, 1}, {{1, Buffer::from, 0, 0}, 0, 1, 1}}},
                0, domains);
    EXPECT_EQ(traffic.over(Link::self), 20U);
    EXPECT_EQ(traffic.over(Link::l3), 10U);
    EXPECT_EQ(traffic.over(Link::numa), 0U);
    EXPECT_EQ(traffic.over(Link::machine), 10U);
    EXPECT_EQ(traffic.at_least(Link::l3), 20U);
}

TEST(Traffic, NeedsAtLeastWhatEachGroupMustHearOf) {
    const Domains domains(
        std::vector<Where>{{0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {1, 0, 0}, {2, 0, 0}});
    const auto least = [&](Collective what, int root) {
        return least_bytes({what, Form::pull, 5, root, 100, 1, nullptr}, domains, Link::machine);
    };
    EXPECT_EQ(least(Collective::bcast, 0), 200U);
    EXPECT_EQ(least(Collective::reduce, 3), 200U);
    EXPECT_EQ(least(Collective::allreduce, 0), 400U);
    EXPECT_EQ(least(Collective::gather, 0), 200U);
    EXPECT_EQ(least(Collective::scatter, 4), 400U);
    EXPECT_EQ(least(Collective::allgather, 0), 1000U);       // 2 + 4 + 4 blocks
    EXPECT_EQ(least(Collective::alltoall, 0), 1400U);        // 3 x 2 + 4 + 4
    EXPECT_EQ(least(Collective::reduce_scatter, 0), 1000U);  // each of 5 blocks, twice
    EXPECT_EQ(least(Collective::scan, 0), 200U);
}

}  // namespace
}  // namespace onecopy::schedule::test
