#include "collectives/places.hpp"

#include <algorithm>
#include <numeric>

#include "schedule/forms.hpp"

namespace onecopy::collectives {
namespace {

using schedule::Form;

/// In windows of less, each of many phases, ranks would do nothing but wait for each other.
constexpr std::uint64_t least_bytes_of_a_window = std::uint64_t{4} << 10;

std::vector<schedule::Where> places_of(std::span<const os::CpuPlace> members) {
    std::vector<schedule::Where> all(members.size());
    const auto put = [&](auto part, auto number) {
        const bool known = std::ranges::none_of(
            members, [&](const os::CpuPlace& each) { return each.*part == os::CpuPlace::several; });
        for (std::size_t i = 0; known && i < all.size(); ++i) all[i].*number = members[i].*part;
    };
    put(&os::CpuPlace::package, &schedule::Where::package);
    put(&os::CpuPlace::numa, &schedule::Where::numa);
    put(&os::CpuPlace::l3, &schedule::Where::l3);
    return all;
}

}  // namespace

Places::Places(std::span<const os::CpuPlace> members) {
    auto domains = std::make_unique<const schedule::Domains>(places_of(members));
    if (domains->levels() < 2) return;
    some_are_combined_ = domains->nodes(1).size() < members.size();
    pieces_.resize(2 + members.size());
    domains_ = std::move(domains);
}

bool Places::are_worth_it(Collective what) const noexcept {
    if (!domains_ || !schedule::has_form(what, Form::domains)) return false;
    // What ranks dealt out round robin contribute cannot be combined before it is all together.
    return some_are_combined_ || (what != Collective::reduce && what != Collective::reduce_scatter);
}

std::uint64_t Places::partial_bytes(const Call& call, std::uint64_t window) {
    if (!call.reduces) return 0;
    const auto ranks = static_cast<std::uint64_t>(domains_->ranks());
    const bool blocks = has_blocks(call.what);
    const std::size_t which = call.what == Collective::allreduce ? 0
                              : blocks                           ? 1
                                       : 2 + static_cast<std::size_t>(call.root);
    if (pieces_[which] == 0) {
        schedule::Call unit;  // each piece is a byte
        unit.what = call.what;
        unit.form = Form::domains;
        unit.ranks = domains_->ranks();
        unit.root = call.root;
        unit.bytes = blocks ? 1 : ranks;
        unit.domains = domains_.get();
        pieces_[which] = 1 + schedule::most_partial_bytes(unit);
    }
    const std::uint64_t pieces = pieces_[which] - 1;
    if (blocks) return pieces * window;
    // Slices differ: by an element at each end, or by as many as fill whole cache lines where that
    // is less than a quarter of one.
    return pieces * (window / ranks + std::max(2 * call.grain(), window / ranks / 2));
}

std::optional<Choice> choose_by_domains(const Call& call, Places& places, bool mapped,
                                        std::uint64_t frame_bytes) {
    if (!places.are_worth_it(call.what)) return std::nullopt;
    const int ranks = places.domains()->ranks();
    const auto all = static_cast<std::uint64_t>(ranks);
    const std::uint64_t regions = mapped ? 0 : regions_of(call.what, Form::domains, ranks).all();
    const std::uint64_t lines = std::lcm(call.grain(), std::uint64_t{64});
    std::uint64_t window = std::uint64_t{1} << 20;
    if (!mapped) {
        window = std::min(std::uint64_t{64} << 10, frame_bytes / regions);
    }
    const std::uint64_t least = least_bytes_of_a_window / (has_blocks(call.what) ? all : 1);
    for (; window >= std::max(least, call.grain()); window /= 2) {
        const std::uint64_t unit = window >= lines ? lines : call.grain();
        const std::uint64_t whole = window / unit * unit;
        if (regions * whole + places.partial_bytes(call, whole) <= frame_bytes) {
            return Choice{Form::domains, whole};
        }
    }
    return std::nullopt;
}

}  // namespace onecopy::collectives
