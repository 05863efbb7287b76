#include "schedule/schedule.hpp"

#include <cassert>

#include "schedule/builder.hpp"
#include "schedule/domains.hpp"
#include "schedule/forms.hpp"

namespace onecopy::schedule {
namespace {

bool goes_on(const Place& before, const Place& place, std::uint64_t bytes) noexcept {
    return before.rank == place.rank && before.buffer == place.buffer &&
           before.block == place.block && before.offset + bytes == place.offset;
}

bool goes_on(const Step& before, const Step& step) noexcept {
    if (before.phase != step.phase || before.targets.size() != step.targets.size() ||
        before.sources.size() != step.sources.size()) {
        return false;
    }
    for (std::size_t i = 0; i < step.targets.size(); ++i) {
        if (!goes_on(before.targets[i], step.targets[i], before.bytes)) return false;
    }
    for (std::size_t i = 0; i < step.sources.size(); ++i) {
        const Source& a = before.sources[i];
        const Source& b = step.sources[i];
        if (a.phase != b.phase || a.first != b.first || a.count != b.count ||
            !goes_on(a.place, b.place, before.bytes)) {
            return false;
        }
    }
    return true;
}

}  // namespace

std::vector<Source> contributions(int count, int block, std::uint64_t offset) {
    std::vector<Source> all;
    all.reserve(static_cast<std::size_t>(count));
    for (int rank = 0; rank < count; ++rank) all.push_back(contribution(rank, block, offset));
    return all;
}

void Builder::add(int phase, std::uint64_t bytes, std::vector<Place> targets,
                  std::vector<Source> sources) {
    if (bytes == 0) return;
    Step step{phase, bytes, std::move(targets), std::move(sources)};
    if (!steps_.list.empty() && goes_on(steps_.list.back(), step)) {
        steps_.list.back().bytes += bytes;
        return;
    }
    steps_.list.push_back(std::move(step));
}

bool has_form(Collective what, Form form) noexcept {
    using enum Collective;
    switch (form) {
        case Form::pull:
            return true;
        case Form::push:
            return what != reduce_scatter && what != scan && what != exscan;
        case Form::redundant:
            return what == reduce || what == allreduce || what == scan || what == exscan;
        case Form::domains:
            return what == bcast || what == allgather || what == reduce || what == allreduce ||
                   what == reduce_scatter;
    }
    return false;
}

bool in_place_safe(Collective what, Form form) noexcept {
    using enum Collective;
    // A rank's result stands where the first block of its contribution was, or all of it is being
    // exchanged: others read that at any time.
    if (what == alltoall || what == reduce_scatter) return false;
    return !has_form(what, form) || form != Form::redundant || what == reduce;
}

Steps steps_of(const Call& call, int rank) {
    assert(call.ranks > 0 && rank >= 0 && rank < call.ranks);
    assert(call.root >= 0 && call.root < call.ranks);
    assert(call.grain > 0 && call.bytes % call.grain == 0);
    if (call.ranks > 1 && has_form(call.what, call.form)) {
        if (call.form == Form::push) return push_steps(call, rank);
        if (call.form == Form::redundant) return redundant_steps(call, rank);
        if (call.form == Form::domains && call.domains != nullptr) {
            assert(call.domains->ranks() == call.ranks);
            return domains_steps(call, rank);
        }
    }
    return pull_steps(call, rank);
}

}  // namespace onecopy::schedule
