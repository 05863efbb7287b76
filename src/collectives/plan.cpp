#include "collectives/plan.hpp"

#include <algorithm>
#include <numeric>

namespace onecopy::collectives {
namespace {

/// Beyond that everybody is taken to touch everybody, and to need all that can be shown.
constexpr int most_looked_at = 64;

bool is_same(const schedule::Call& one, const schedule::Call& other) noexcept {
    return one.what == other.what && one.form == other.form && one.ranks == other.ranks &&
           one.root == other.root && one.bytes == other.bytes && one.grain == other.grain &&
           one.domains == other.domains;
}

schedule::Exports all_exports(const schedule::Call& call, int rank) {
    schedule::Exports exports;
    const int blocks = blocks_of(call.what, rank, call.root, call.ranks).from;
    for (int block = 0; block < blocks; ++block) {
        exports.read.push_back({schedule::Buffer::from, block, 0, call.bytes});
    }
    // There is no room for more than is read.
    if (regions_of(call.what, call.form, call.ranks).to > 0) {
        exports.read.push_back({schedule::Buffer::to, 0, 0, call.bytes});
    }
    exports.touchers.resize(static_cast<std::size_t>(call.ranks));
    std::iota(exports.touchers.begin(), exports.touchers.end(), 0);
    exports.touchers.erase(exports.touchers.begin() + rank);
    return exports;
}

}  // namespace

Plan::Plan(const schedule::Call& what, int rank)
    : call(what),
      steps(schedule::steps_of(what, rank)),
      exports(what.ranks <= most_looked_at ? schedule::exports_of(what, rank)
                                           : all_exports(what, rank)),
      partners(schedule::partners_of(steps, rank)),
      shows_results(std::any_of(
          exports.read.begin(), exports.read.end(),
          [](const schedule::Range& each) { return each.buffer == schedule::Buffer::to; })),
      regions(regions_of(what.what, what.form, what.ranks)) {}

std::shared_ptr<const Plan> Plans::get(const schedule::Call& what, int rank) {
    for (const auto& each : kept_) {
        if (each && is_same(each->call, what)) return each;
    }
    auto made = std::make_shared<const Plan>(what, rank);
    kept_[next_++ % most] = made;
    return made;
}

}  // namespace onecopy::collectives
