#include "collective_traffic.hpp"

#include <array>
#include <cstring>

namespace onecopy::bench {
namespace {

constexpr std::size_t kib = 1024;

enum class Kind {
    barrier,
    allreduce,
    iallreduce,
    reduce,
    bcast,
    ibcast,
    allgather,
    alltoall,
    gather_and_scatter,
    reduce_scatter,
    scans
};

/// `bytes`: of a vector, or of one rank's part.
struct Step {
    const char* name;
    Kind kind;
    std::size_t bytes;
    Buffers::Kind memory;
};

constexpr auto in_arena = Buffers::Kind::arena;
constexpr auto ordinary = Buffers::Kind::ordinary;
constexpr std::array<Step, 18> steps = {{
    {"barrier", Kind::barrier, 0, ordinary},
    {"allreduce, 8 bytes", Kind::allreduce, 8, ordinary},
    {"allreduce, 2 KiB", Kind::allreduce, 2 * kib, ordinary},
    {"allreduce, mapped", Kind::allreduce, 256 * kib, in_arena},
    {"allreduce, ordinary", Kind::allreduce, 256 * kib, ordinary},
    {"iallreduce, mapped", Kind::iallreduce, 64 * kib, in_arena},
    {"reduce, mapped", Kind::reduce, 96 * kib, in_arena},
    {"reduce, ordinary", Kind::reduce, 16 * kib, ordinary},
    {"bcast, small", Kind::bcast, 64, ordinary},
    {"bcast, mapped", Kind::bcast, 256 * kib, in_arena},
    {"ibcast, ordinary", Kind::ibcast, 128 * kib, ordinary},
    {"allgather, small", Kind::allgather, 16, ordinary},
    {"allgather, mapped", Kind::allgather, 32 * kib, in_arena},
    {"alltoall, mapped", Kind::alltoall, 32 * kib, in_arena},
    {"alltoall, ordinary", Kind::alltoall, 4 * kib, ordinary},
    {"gather and scatter", Kind::gather_and_scatter, 16 * kib, in_arena},
    {"reduce_scatter", Kind::reduce_scatter, 32 * kib, in_arena},
    {"scan and exscan", Kind::scans, 4 * kib, ordinary},
}};

const Step& step_of(std::uint32_t number) noexcept {
    return steps[scramble(number + 1) % steps.size()];
}

const Reduction added(Op::sum, Type::float64);

/// Where only the ends matter, as of a message: what is between is as good as any.
void set_ends(Segment vector, double value) noexcept {
    std::memcpy(vector.data(), &value, sizeof value);
    std::memcpy(vector.data() + vector.size() - sizeof value, &value, sizeof value);
}

bool has_ends(ConstSegment vector, double value) noexcept {
    return std::memcmp(vector.data(), &value, sizeof value) == 0 &&
           std::memcmp(vector.data() + vector.size() - sizeof value, &value, sizeof value) == 0;
}

}  // namespace

struct CollectiveTraffic::Place {
    std::uint32_t step;
    std::size_t bytes;
    std::size_t ranks;
    Segment from, to;  // all of them
    int root;

    [[nodiscard]] Segment out(std::size_t rank = 0) const noexcept {
        return from.subspan(rank * bytes, bytes);
    }
    [[nodiscard]] Segment in(std::size_t rank = 0) const noexcept {
        return to.subspan(rank * bytes, bytes);
    }
    [[nodiscard]] Segment all_out() const noexcept { return from.first(ranks * bytes); }
    [[nodiscard]] Segment all_in() const noexcept { return to.first(ranks * bytes); }
};

const char* CollectiveTraffic::name_of(std::uint32_t step) const noexcept {
    return step_of(step).name;
}

bool CollectiveTraffic::take(std::uint32_t step) {
    const Step& what = step_of(step);
    const auto ranks = static_cast<std::size_t>(world_.size());
    const Place place{step,
                      what.bytes,
                      ranks,
                      buffers_.outgoing(what.memory),
                      buffers_.incoming(what.memory),
                      static_cast<int>(scramble(step) % ranks)};
    switch (what.kind) {
        case Kind::barrier:
            world_.barrier();
            return true;
        case Kind::allreduce:
        case Kind::iallreduce:
            return allreduce(place, what.kind == Kind::iallreduce);
        case Kind::reduce:
            return reduce(place);
        case Kind::bcast:
        case Kind::ibcast:
            return bcast(place, what.kind == Kind::ibcast);
        case Kind::allgather:
            return allgather(place);
        case Kind::alltoall:
            return alltoall(place);
        case Kind::gather_and_scatter:
            return gather_and_scatter(place);
        case Kind::reduce_scatter:
            return reduce_scatter(place);
        case Kind::scans:
            return scans(place);
    }
    return false;
}

double CollectiveTraffic::summand(std::uint32_t step, int rank) noexcept {
    return static_cast<double>(scramble(step + static_cast<std::uint32_t>(rank)) & 0xffff);
}

double CollectiveTraffic::sum(std::uint32_t step, int end) const noexcept {
    double all = 0;
    for (int rank = 0; rank < end; ++rank) all += summand(step, rank);
    return all;
}

bool CollectiveTraffic::allreduce(const Place& place, bool begun) {
    set_ends(place.out(), summand(place.step, world_.rank()));
    if (begun) {
        world_.iallreduce(place.out(), place.in(), added).wait();
    } else {
        world_.allreduce(place.out(), place.in(), added);
    }
    return has_ends(place.in(), sum(place.step, world_.size()));
}

bool CollectiveTraffic::reduce(const Place& place) {
    set_ends(place.out(), summand(place.step, world_.rank()));
    world_.reduce(place.out(), place.in(), added, place.root);
    return world_.rank() != place.root || has_ends(place.in(), sum(place.step, world_.size()));
}

bool CollectiveTraffic::bcast(const Place& place, bool begun) {
    const Segment memory = place.in();
    if (world_.rank() == place.root) stamp(memory, place.root, place.step);
    if (begun) {
        world_.ibcast(memory, place.root).wait();
    } else {
        world_.bcast(memory, place.root);
    }
    return is_stamped(memory, place.root, place.step);
}

bool CollectiveTraffic::allgather(const Place& place) {
    stamp(place.out(), world_.rank(), place.step);
    world_.allgather(place.out(), place.all_in());
    bool right = true;
    for (std::size_t rank = 0; rank < place.ranks; ++rank) {
        right &= is_stamped(place.in(rank), static_cast<int>(rank), place.step);
    }
    return right;
}

bool CollectiveTraffic::alltoall(const Place& place) {
    // A part's number tells to whom it goes.
    const auto number = [&](std::size_t to) {
        return place.step * 64 + static_cast<std::uint32_t>(to);
    };
    for (std::size_t to = 0; to < place.ranks; ++to) {
        stamp(place.out(to), world_.rank(), number(to));
    }
    world_.alltoall(place.all_out(), place.all_in());
    bool right = true;
    for (std::size_t from = 0; from < place.ranks; ++from) {
        right &= is_stamped(place.in(from), static_cast<int>(from),
                            number(static_cast<std::size_t>(world_.rank())));
    }
    return right;
}

/// There and back: what the root has gathered it sends back to its owners.
bool CollectiveTraffic::gather_and_scatter(const Place& place) {
    stamp(place.out(), world_.rank(), place.step);
    world_.gather(place.out(), place.all_in(), place.root);
    const Segment back = place.out(1);
    world_.scatter(place.all_in(), back, place.root);
    return is_stamped(back, world_.rank(), place.step);
}

bool CollectiveTraffic::reduce_scatter(const Place& place) {
    for (std::size_t part = 0; part < place.ranks; ++part) {
        set_ends(place.out(part), summand(place.step, world_.rank()) + static_cast<double>(part));
    }
    world_.reduce_scatter_block(place.all_out(), place.in(), added);
    return has_ends(place.in(),
                    sum(place.step, world_.size()) + world_.rank() * double(place.ranks));
}

bool CollectiveTraffic::scans(const Place& place) {
    set_ends(place.out(), summand(place.step, world_.rank()));
    world_.scan(place.out(), place.in(), added);
    bool right = has_ends(place.in(), sum(place.step, world_.rank() + 1));
    world_.exscan(place.out(), place.in(), added);
    if (world_.rank() > 0) right &= has_ends(place.in(), sum(place.step, world_.rank()));
    return right;
}

}  // namespace onecopy::bench
