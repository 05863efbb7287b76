#include "collectives/plan.hpp"

#include <algorithm>
#include <numeric>

namespace onecopy::collectives {
namespace {

/// Beyond that everybody is taken to touch everybody.
constexpr int most_looked_at = 64;

bool is_same(const schedule::Call& one, const schedule::Call& other) noexcept {
    return one.what == other.what && one.form == other.form && one.ranks == other.ranks &&
           one.root == other.root && one.bytes == other.bytes && one.grain == other.grain &&
           one.domains == other.domains;
}

}  // namespace

Plan::Plan(const schedule::Call& what, int rank)
    : call(what),
      steps(schedule::steps_of(what, rank)),
      exports(what.ranks <= most_looked_at ? schedule::exports_of(what, rank)
                                           : exports_at_most(what, steps, rank)),
      shows_results(std::any_of(
          exports.read.begin(), exports.read.end(),
          [](const schedule::Range& each) { return each.buffer == schedule::Buffer::to; })),
      regions(regions_of(what.what, what.form, what.ranks)) {}

schedule::Exports exports_at_most(const schedule::Call& call, const schedule::Steps& steps,
                                  int rank) {
    schedule::Exports exports;
    const int blocks = blocks_of(call.what, rank, call.root, call.ranks).from;
    const Regions regions = regions_of(call.what, call.form, call.ranks);
    // What the first rank of an exscan hands on, and none of it makes, stands where others' partial
    // results do.
    const bool shows_contribution =
        regions.from > 0 || (call.what == Collective::exscan && rank == 0);
    for (int block = 0; shows_contribution && block < blocks; ++block) {
        exports.read.push_back({schedule::Buffer::from, block, 0, call.bytes});
    }
    // Who reads a result is in a later phase than who has made it, but for the next in a chain.
    const int last = call.what == Collective::scan ? steps.phases : steps.phases - 1;
    for (const schedule::Step& step : steps.list) {
        if (regions.to == 0 || step.phase > last) break;
        for (const schedule::Place& target : step.targets) {
            if (target.rank != rank || target.buffer != schedule::Buffer::to) continue;
            exports.read.push_back({schedule::Buffer::to, target.block, target.offset, step.bytes});
        }
    }
    exports.touchers.resize(static_cast<std::size_t>(call.ranks));
    std::iota(exports.touchers.begin(), exports.touchers.end(), 0);
    exports.touchers.erase(exports.touchers.begin() + rank);
    return exports;
}

std::shared_ptr<const Plan> Plans::get(const schedule::Call& what, int rank) {
    for (const auto& each : kept_) {
        if (each && is_same(each->call, what)) return each;
    }
    auto made = std::make_shared<const Plan>(what, rank);
    kept_[next_++ % most] = made;
    return made;
}

}  // namespace onecopy::collectives
