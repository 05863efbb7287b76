// What the ranks of a job take for a machine in words is what hwloc, and `onecopy plan` by it,
// does.
#include "cli/plan_place.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>

#include "os/cpu_place.hpp"

namespace onecopy::cli {
namespace {

/// Whether things have the same numbers here wherever they have them there, if not the same ones.
class SameThings {
public:
    bool operator()(int one, int other) {
        const auto here = here_.try_emplace(one, other).first->second;
        const auto there = there_.try_emplace(other, one).first->second;
        return here == other && there == one;
    }

private:
    std::map<int, int> here_, there_;
};

TEST(PlanPlace, OfEachThreadIsWhereTheRankOfThatNumberTakesItselfToBe) {
    for (const char* const words :
         {"package:2 numa:2 l3:4 core:8 pu:1", "package:3 l3:2 core:5 pu:1", "numa:2 core:3 pu:1",
          "l3:4 core:2 pu:1", "core:7 pu:1", "package:2 core:2 pu:1",
          "numa:2 l3:3 l2:2 core:1 pu:1", "package:2 die:2 l3:2 core:2 pu:1"}) {
        const PlanMachine machine = plan_machine(words);
        SameThings packages, nodes, caches;
        for (std::size_t core = 0; core < machine.cores.size(); ++core) {
            const schedule::Where& there = machine.cores[core];
            const auto here = os::place_in(words, core);
            ASSERT_TRUE(here) << words;
            EXPECT_TRUE(packages(here->package, there.package)) << words << ", " << core;
            EXPECT_TRUE(nodes(here->numa, there.numa)) << words << ", " << core;
            EXPECT_TRUE(caches(here->l3, there.l3)) << words << ", " << core;
        }
        EXPECT_EQ(os::place_in(words, machine.cores.size()), os::place_in(words, 0)) << words;
    }
}

}  // namespace
}  // namespace onecopy::cli
