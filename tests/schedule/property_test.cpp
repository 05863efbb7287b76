// Any tree, any ranks in any order, any bytes.
#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

#include "schedule/domains.hpp"
#include "schedule/traffic.hpp"
#include "simulator.hpp"

namespace onecopy::schedule::test {
namespace {

RC_GTEST_PROP(ScheduleProperty, EveryFormIsRightOnEveryTree, ()) {
    const auto places = *rc::gen::resize(
        40, rc::gen::nonEmpty(rc::gen::container<std::vector<Where>>(
                rc::gen::build<Where>(rc::gen::set(&Where::package, rc::gen::inRange(0, 3)),
                                      rc::gen::set(&Where::numa, rc::gen::inRange(0, 3)),
                                      rc::gen::set(&Where::l3, rc::gen::inRange(0, 3))))));
    auto sorted = places;
    if (*rc::gen::arbitrary<bool>()) std::sort(sorted.begin(), sorted.end());
    const Domains domains(sorted);
    const int ranks = domains.ranks();
    const auto grain = *rc::gen::element<std::uint64_t>(1, 2, 8, 12, 16);
    const Call call{static_cast<Collective>(*rc::gen::inRange(0, 10)),
                    static_cast<Form>(*rc::gen::inRange(0, 4)),
                    ranks,
                    *rc::gen::inRange(0, ranks),
                    grain * *rc::gen::inRange<std::uint64_t>(0, 20000),
                    grain,
                    &domains};
    const std::vector<Steps> steps = all_steps(call);
    const std::string fault = fault_in(call, steps);
    if (!fault.empty()) RC_FAIL(text(call) + ": " + fault);

    Traffic traffic;
    for (int rank = 0; rank < ranks; ++rank) {
        for (const Step& step : steps[static_cast<std::size_t>(rank)].list) {
            traffic.add(step, rank, domains);
        }
    }
    for (const Link link : {Link::numa, Link::package, Link::machine}) {
        RC_ASSERT(traffic.at_least(link) >= least_bytes(call, domains, link));
    }
}

}  // namespace
}  // namespace onecopy::schedule::test
