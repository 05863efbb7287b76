// The calls themselves: what they are made of, and what is checked.
#include "onecopy/collectives.hpp"

#include <cstddef>
#include <cstdint>
#include <system_error>

#include "collectives/prepared.hpp"
#include "node/context.hpp"
#include "onecopy/error.hpp"
#include "os/errors.hpp"

namespace onecopy {
namespace {

using collectives::Call;
using collectives::Collective;
using collectives::Prepared;

/// A reduction of so many bytes that can be made.
std::error_code check(const Reduction& how, std::uint64_t bytes) noexcept {
    const std::size_t element = how.element_bytes();
    const bool known = how.function.call != nullptr || allowed(how.op, how.type);
    return known && element != 0 && bytes % element == 0
               ? std::error_code()
               : std::make_error_code(std::errc::invalid_argument);
}

std::error_code check(bool good) noexcept {
    return good ? std::error_code() : std::make_error_code(std::errc::invalid_argument);
}

/// Whether there is memory where some is needed, and not more than there can be.
bool sound(ConstSegment memory) noexcept {
    return (memory.data() != nullptr || memory.empty()) && memory.size() <= PTRDIFF_MAX;
}
bool sound(ConstSegment from, ConstSegment to) noexcept { return sound(from) && sound(to); }

std::error_code check_root(const node::Context& context, int root) noexcept {
    return context.has(root) ? std::error_code() : make_error_code(Errc::bad_rank);
}

Prepared make_barrier() noexcept {
    Prepared made{Call(Collective::allgather, 0, 0), {}};
    made.call.is_barrier = true;
    return made;
}

Prepared make_bcast(const node::Context& context, Segment memory, int root) noexcept {
    Prepared made{Call(Collective::bcast, root, memory.size()), check_root(context, root)};
    made.call.from = made.call.to = memory.data();
    if (!made.error) made.error = check(sound(memory));
    return made;
}

/// gather and scatter: one of them is a rank's own part, the other all of them, at the root.
Prepared make_rooted(const node::Context& context, Collective what, ConstSegment from, Segment to,
                     int root) noexcept {
    const bool gathers = what == Collective::gather;
    const ConstSegment own = gathers ? from : to, all = gathers ? to : from;
    Prepared made{Call(what, root, own.size()), check_root(context, root)};
    made.call.from = from.data();
    made.call.to = to.data();
    if (!made.error) made.error = check(sound(own));
    if (!made.error && context.rank() == root) {
        made.error = check(sound(all) &&
                           all.size() == own.size() * static_cast<std::size_t>(context.size()));
    }
    return made;
}

Prepared make_allgather(const node::Context& context, ConstSegment from, Segment to) noexcept {
    Prepared made{Call(Collective::allgather, 0, from.size()),
                  check(sound(from, to) &&
                        to.size() == from.size() * static_cast<std::size_t>(context.size()))};
    made.call.from = from.data();
    made.call.to = to.data();
    return made;
}

Prepared make_alltoall(const node::Context& context, ConstSegment from, Segment to) noexcept {
    const auto ranks = static_cast<std::size_t>(context.size());
    Prepared made{Call(Collective::alltoall, 0, to.size() / ranks),
                  check(sound(from, to) && to.size() == from.size() && to.size() % ranks == 0)};
    made.call.from = from.data();
    made.call.to = to.data();
    return made;
}

/// A reduction whose result, at those who get it, is as long as what each contributes, or (`parts`)
/// as one of as many parts of that as there are ranks.
Prepared make_reduction(const node::Context& context, Collective what, ConstSegment from,
                        Segment to, const Reduction& how, int root = 0) noexcept {
    const bool parts = what == Collective::reduce_scatter;
    Prepared made{Call(what, root, parts ? to.size() : from.size()), {}};
    made.call.from = from.data();
    made.call.to = to.data();
    made.call.reduce_by(how);
    if (what == Collective::reduce) made.error = check_root(context, root);
    const std::size_t shares = parts ? static_cast<std::size_t>(context.size()) : 1;
    const bool gets_it = what != Collective::reduce || context.rank() == root;
    if (!made.error) made.error = check(sound(from));
    if (!made.error && gets_it) {
        made.error = check(sound(to) && from.size() == to.size() * shares);
    }
    if (!made.error) made.error = check(how, made.call.bytes);
    return made;
}

/// Whether there is a part for each rank, and all of them in the memory.
bool fits(const Parts& parts, std::size_t bytes, int ranks) noexcept {
    const auto count = static_cast<std::size_t>(ranks);
    if (parts.bytes.size() != count) return false;
    if (!parts.offsets.empty() && parts.offsets.size() != count) return false;
    std::size_t at = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (!parts.offsets.empty()) at = parts.offsets[i];
        if (at > bytes || parts.bytes[i] > bytes - at) return false;
        at += parts.bytes[i];
    }
    return true;
}

Prepared make_parts(Collective what, int root, ConstSegment from, const Parts* from_parts,
                    Segment to, const Parts* to_parts) noexcept {
    Prepared made{Call(what, root, 0), {}};
    made.call.from = from.data();
    made.call.to = to.data();
    made.by_parts = true;
    made.from_bytes = from.size();
    made.to_bytes = to.size();
    if (from_parts != nullptr) made.from_parts = *from_parts;
    if (to_parts != nullptr) made.to_parts = *to_parts;
    return made;
}

/// As make_rooted(); the parts are those of all of them.
Prepared make_rooted_parts(const node::Context& context, Collective what, ConstSegment from,
                           Segment to, const Parts& parts, int root) noexcept {
    const bool gathers = what == Collective::gather;
    const ConstSegment own = gathers ? from : to, all = gathers ? to : from;
    Prepared made =
        make_parts(what, root, from, gathers ? nullptr : &parts, to, gathers ? &parts : nullptr);
    made.error = check_root(context, root);
    if (!made.error) made.error = check(sound(own));
    if (!made.error && context.rank() == root) {
        made.error = check(sound(all) && fits(parts, all.size(), context.size()) &&
                           parts.bytes[static_cast<std::size_t>(root)] == own.size());
    }
    return made;
}

Prepared make_allgatherv(const node::Context& context, ConstSegment from, Segment to,
                         const Parts& parts) noexcept {
    Prepared made = make_parts(Collective::allgather, 0, from, nullptr, to, &parts);
    made.error = check(sound(from, to) && fits(parts, to.size(), context.size()) &&
                       parts.bytes[static_cast<std::size_t>(context.rank())] == from.size());
    return made;
}

Prepared make_alltoallv(const node::Context& context, ConstSegment from, const Parts& from_parts,
                        Segment to, const Parts& to_parts) noexcept {
    Prepared made = make_parts(Collective::alltoall, 0, from, &from_parts, to, &to_parts);
    const auto own = static_cast<std::size_t>(context.rank());
    made.error = check(sound(from, to) && fits(from_parts, from.size(), context.size()) &&
                       fits(to_parts, to.size(), context.size()) &&
                       from_parts.bytes[own] == to_parts.bytes[own]);
    return made;
}

Prepared make_reduce_scatter(const node::Context& context, ConstSegment from, Segment to,
                             std::span<const std::size_t> bytes, const Reduction& how) noexcept {
    const Parts parts{bytes};
    Prepared made = make_parts(Collective::reduce_scatter, 0, from, &parts, to, nullptr);
    made.call.reduce_by(how);
    made.error = check(sound(from, to) && fits(parts, from.size(), context.size()) &&
                       bytes[static_cast<std::size_t>(context.rank())] == to.size());
    for (const std::size_t part : bytes) {
        if (!made.error) made.error = check(how, part);
    }
    return made;
}

}  // namespace

/// The three forms of a call with these parameters: one throws, one reports, one begins it. A
/// macro, since nothing else makes members of two names out of one expression.
#define ONECOPY_FORMS(name, prepared, ...)                                                   \
    void Collectives::name(__VA_ARGS__) { os::throw_if(call(prepared), "onecopy: " #name); } \
    void Collectives::name(__VA_ARGS__, std::error_code& error) noexcept {                   \
        error = call(prepared);                                                              \
    }                                                                                        \
    Request Collectives::i##name(__VA_ARGS__) { return begin(prepared); }

ONECOPY_FORMS(bcast, make_bcast(*context_, memory, root), Segment memory, int root)
ONECOPY_FORMS(gather, make_rooted(*context_, Collective::gather, from, to, root), ConstSegment from,
              Segment to, int root)
ONECOPY_FORMS(gatherv, make_rooted_parts(*context_, Collective::gather, from, to, parts, root),
              ConstSegment from, Segment to, const Parts& parts, int root)
ONECOPY_FORMS(scatter, make_rooted(*context_, Collective::scatter, from, to, root),
              ConstSegment from, Segment to, int root)
ONECOPY_FORMS(scatterv, make_rooted_parts(*context_, Collective::scatter, from, to, parts, root),
              ConstSegment from, const Parts& parts, Segment to, int root)
ONECOPY_FORMS(allgather, make_allgather(*context_, from, to), ConstSegment from, Segment to)
ONECOPY_FORMS(allgatherv, make_allgatherv(*context_, from, to, parts), ConstSegment from,
              Segment to, const Parts& parts)
ONECOPY_FORMS(alltoall, make_alltoall(*context_, from, to), ConstSegment from, Segment to)
ONECOPY_FORMS(alltoallv, make_alltoallv(*context_, from, from_parts, to, to_parts),
              ConstSegment from, const Parts& from_parts, Segment to, const Parts& to_parts)
ONECOPY_FORMS(reduce, make_reduction(*context_, Collective::reduce, from, to, how, root),
              ConstSegment from, Segment to, const Reduction& how, int root)
ONECOPY_FORMS(allreduce, make_reduction(*context_, Collective::allreduce, from, to, how),
              ConstSegment from, Segment to, const Reduction& how)
ONECOPY_FORMS(reduce_scatter_block,
              make_reduction(*context_, Collective::reduce_scatter, from, to, how),
              ConstSegment from, Segment to, const Reduction& how)
ONECOPY_FORMS(reduce_scatter, make_reduce_scatter(*context_, from, to, bytes, how),
              ConstSegment from, Segment to, std::span<const std::size_t> bytes,
              const Reduction& how)
ONECOPY_FORMS(scan, make_reduction(*context_, Collective::scan, from, to, how), ConstSegment from,
              Segment to, const Reduction& how)
ONECOPY_FORMS(exscan, make_reduction(*context_, Collective::exscan, from, to, how),
              ConstSegment from, Segment to, const Reduction& how)

#undef ONECOPY_FORMS

// Without parameters to put the error behind.
void Collectives::barrier() { os::throw_if(call(make_barrier()), "onecopy: barrier"); }
void Collectives::barrier(std::error_code& error) noexcept { error = call(make_barrier()); }
Request Collectives::ibarrier() { return begin(make_barrier()); }

}  // namespace onecopy
