#include "mpi/take.hpp"

#include <exception>
#include <string>

#include "mpi/communicators.hpp"
#include "mpi/devices.hpp"
#include "mpi/real.hpp"

namespace onecopy::mpi {

namespace {

/// What both functions have in common. `root` is Reduction::everybody for an allreduce.
struct Arguments {
    const char* name;
    const void* source;
    void* result;
    int count;
    MPI_Datatype type;
    MPI_Op operation;
    int root;
    MPI_Comm comm;
};

/// A member has ended: the communicator's error handler decides what becomes of us.
Decision fail(const Arguments& call, const Communicator& known, std::uint64_t bytes) {
    const int lost = known.reducer->channel().lost();
    const std::error_code error = known.reducer->error();
    const std::string who = lost >= 0 ? "rank " + std::to_string(lost) + " of the communicator"
                                      : "a rank of the communicator";
    say(std::string(call.name) + " of " + std::to_string(bytes) +
        " bytes: " + (error.value() == ESRCH ? who + " has ended, or given up" : error.message()));
    real().comm_call_errhandler(call.comm, MPI_ERR_OTHER);
    return taken(MPI_ERR_OTHER);
}

Decision take(std::uint64_t& bytes, const Arguments& call) {
    Job& self = job();
    if (!self.machine) return pass(Reason::not_agreed);
    if (call.count <= 0 || call.comm == self.handles.no_comm || call.comm == nullptr) {
        return pass(Reason::no_data);
    }
    const KnownType* type = self.handles.find(call.type);
    if (type == nullptr) return pass(Reason::datatype);
    bytes = static_cast<std::uint64_t>(call.count) * size_of(type->type);
    if (bytes < self.threshold_bytes) return pass(Reason::small);
    const auto op = self.handles.find(call.operation);
    if (!op) return pass(Reason::operation);
    if (!takes(*op, *type)) return pass(Reason::datatype);

    Communicator* known = look_up(call.comm);
    if (known == nullptr) return pass(Reason::no_data);
    if (!known->reducer) return pass(known->reason);
    if (bytes < known->threshold_bytes) return pass(Reason::small);
    const bool everybody = call.root == Reduction::everybody;
    if (!everybody && (call.root < 0 || call.root >= known->size)) return pass(Reason::no_data);

    // From here on we are expected: whatever is only ours to know is a veto.
    const bool mine = everybody || call.root == known->rank;
    const bool in_place = call.source == MPI_IN_PLACE;
    const void* source = in_place ? call.result : call.source;
    Reduction reduction{*op, type->type, static_cast<std::size_t>(call.count), call.root};
    reduction.source = static_cast<const std::byte*>(source);
    reduction.result = mine ? static_cast<std::byte*>(call.result) : nullptr;
    const bool no_address = source == nullptr || source == MPI_IN_PLACE ||
                            (mine && (call.result == nullptr || call.result == MPI_IN_PLACE));
    // The MPI has an error for these, which it shall raise itself.
    const bool aliased = mine && !in_place && source == call.result;
    reduction.veto = no_address || aliased || (in_place && !mine) ||
                     (!self.host_memory_only && device_library_loaded());
    switch (known->reducer->run(reduction)) {
        case Outcome::done:
            return taken(MPI_SUCCESS);
        case Outcome::declined:
            return pass(Reason::declined);
        case Outcome::failed:
            break;
    }
    return fail(call, *known, bytes);
}

/// Nothing may leave through a C function. What throws here is memory that cannot be had, before
/// anybody counts on us (looking a communicator up), but the others may by now: there is no way on.
Decision guarded(std::uint64_t& bytes, const Arguments& call) noexcept {
    try {
        return take(bytes, call);
    } catch (const std::exception& failure) {
        say(std::string(call.name) + ": " + failure.what());
        real().comm_call_errhandler(call.comm, MPI_ERR_NO_MEM);
        return taken(MPI_ERR_NO_MEM);
    }
}

}  // namespace

Decision take_allreduce(std::uint64_t& bytes, const void* source, void* result, int count,
                        MPI_Datatype type, MPI_Op operation, MPI_Comm comm) noexcept {
    return guarded(bytes, {"MPI_Allreduce", source, result, count, type, operation,
                           Reduction::everybody, comm});
}

Decision take_reduce(std::uint64_t& bytes, const void* source, void* result, int count,
                     MPI_Datatype type, MPI_Op operation, int root, MPI_Comm comm) noexcept {
    // No rank, but our own word for an allreduce.
    if (root == Reduction::everybody) return pass(Reason::no_data);
    return guarded(bytes, {"MPI_Reduce", source, result, count, type, operation, root, comm});
}

}  // namespace onecopy::mpi
