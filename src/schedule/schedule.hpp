// What each rank of a collective does: a pure function of the collective, the ranks, where they
// are, and the bytes. No memory is touched here and nobody is waited for, so a schedule can be
// tested, drawn and costed for machines that are not here.
//
// A rank does its steps in their order. Each step belongs to a phase, and phases never go down; a
// rank has completed phase p when it has done all its steps up to p, and publishes that. Phase 0 is
// completed by coming: the user's memory is ready then. Phases have the same meaning at all ranks,
// so a step can name what it waits for without knowing the other rank's steps.
#pragma once

#include <cstdint>
#include <vector>

namespace onecopy::schedule {

class Domains;

enum class Collective : std::uint8_t {
    bcast,
    gather,
    scatter,
    allgather,
    alltoall,
    reduce,
    allreduce,
    reduce_scatter,
    scan,
    exscan,
};

constexpr bool has_root(Collective what) noexcept {
    using enum Collective;
    return what == bcast || what == gather || what == scatter || what == reduce;
}
/// Whether there is a block for each rank; else there is one vector.
constexpr bool has_blocks(Collective what) noexcept {
    using enum Collective;
    return what == gather || what == scatter || what == allgather || what == alltoall ||
           what == reduce_scatter;
}

/// Which of several schedules that give the same result, bit for bit.
enum class Form : std::uint8_t {
    pull,       ///< who needs a result fetches it from whoever has made it
    push,       ///< who makes a result writes it into everybody's memory that needs it
    redundant,  ///< everybody makes all of the result that it needs
    domains,    ///< as pull; inside an L3 first, then a NUMA node, a package, the machine
};

/// What a call is, as far as a schedule depends on it. Equal at all ranks.
struct Call {
    Collective what{};
    Form form = Form::pull;
    int ranks = 1;
    int root = 0;                      ///< where it has_root()
    std::uint64_t bytes = 0;           ///< of the vector, or of each block
    std::uint64_t grain = 1;           ///< bytes of an element: no step cuts one
    const Domains* domains = nullptr;  ///< of Form::domains; must outlive the call
};

/// A rank's memory: what the caller gave, what it gets, and partial results on their way.
enum class Buffer : std::uint8_t { from, to, partial };

struct Place {
    int rank = 0;
    Buffer buffer{};
    int block = 0;
    std::uint64_t offset = 0;  ///< in the block

    bool operator==(const Place&) const = default;
};

/// An operand of a step.
struct Source {
    Place place;
    int phase = 0;  ///< that its rank must have completed
    /// The ranks whose contributions are combined in it already: [first, first + count).
    int first = 0, count = 1;

    bool operator==(const Source&) const = default;
};

/// Puts `bytes` of its sources, combined, into its targets (others' `to` with Form::push, its own
/// otherwise). With one source it is a copy.
///
/// Sources stand in the order of their ranks, each right behind the one before. They are combined
/// as left_of() says, and each is a node of its tree; or from left to right, where
/// goes_left_to_right() says so.
struct Step {
    int phase = 1;
    std::uint64_t bytes = 0;
    std::vector<Place> targets;
    std::vector<Source> sources;
};

/// In `partial` a rank needs so many bytes; places in it are of block 0.
struct Steps {
    std::vector<Step> list;
    std::uint64_t partial_bytes = 0;
    int phases = 1;  ///< of all ranks: the last that any completes
};

/// Where the contributions of the ranks [first, first + count), count > 1, are split into two that
/// are combined first: behind so many. The largest power of two below `count`: results of 0 to 2^k
/// - 1 appear as they are in those of more ranks. It depends on nothing else, so results have the
/// same bits whoever computes them where.
constexpr int left_of(int count) noexcept {
    int left = 1;
    while (2 * left < count) left *= 2;
    return left;
}

/// Whether its contributions are combined from left to right instead: ((0 1) 2) 3.
constexpr bool goes_left_to_right(Collective what) noexcept {
    return what == Collective::scan || what == Collective::exscan;
}

/// The steps of one rank. Empty blocks make no steps. Throws std::bad_alloc.
[[nodiscard]] Steps steps_of(const Call& call, int rank);

}  // namespace onecopy::schedule
