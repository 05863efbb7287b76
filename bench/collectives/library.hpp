// What `onecopy bench collectives` asks of every library it compares. rank/driver.cpp is compiled
// once with each *_library.cpp; the works (works.cpp) write into the library's buffers, have a call
// carried out, and verify what came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "rank/member.hpp"
#include "rank/memory.hpp"

namespace onecopy::together {

using bench::Setup;
using bench::Unusable;

/// A collective, of doubles that are added where something is combined. The root is rank 0.
enum class Call {
    barrier,
    bcast,
    gather,
    scatter,
    allgather,
    alltoall,
    reduce,
    allreduce,
    reduce_scatter,  // blocks of the same size
    scan,
    exscan
};

/// One rank's end. For one thread. All but the destructor may throw std::exception, whose text ends
/// up in the report.
class Library : public bench::Member {
public:
    [[nodiscard]] std::unique_ptr<bench::Work> make_work(const cli::JobCommand& command,
                                                         int ranks) final;

    /// The own memory for what is sent, and for what is received. In bcast the root's message lies
    /// in the former, the others' in the latter.
    [[nodiscard]] virtual std::byte* from() = 0;
    [[nodiscard]] virtual std::byte* to() = 0;

    /// Returns when this rank's part is over. `bytes`: of a vector (bcast, reduce, allreduce, scan,
    /// exscan) or of one rank's part of it (the others).
    virtual void carry_out(Call call, std::size_t bytes) = 0;

    /// The same without waiting for the end: allreduce, bcast, alltoall; one at a time.
    virtual void start(Call call, std::size_t bytes) = 0;
    /// Lets it go on.
    virtual void test() = 0;
    virtual void wait() = 0;

    /// Moves nothing: its time is that of computing alone.
    [[nodiscard]] virtual bool does_nothing() const { return false; }
};

/// Both buffers in ordinary memory.
class OrdinaryLibrary : public Library {
public:
    [[nodiscard]] std::byte* from() override { return from_.data(); }
    [[nodiscard]] std::byte* to() override { return to_.data(); }

protected:
    explicit OrdinaryLibrary(const Setup& setup) : from_(setup.area_bytes), to_(setup.area_bytes) {}

private:
    bench::Area from_;
    bench::Area to_;
};

}  // namespace onecopy::together
