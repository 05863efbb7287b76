// onecopy_reduce, onecopy_iallreduce and their like: collective calls from C that combine elements.
#include "c_api/collective_calls.hpp"
#include "c_api/flags.hpp"
#include "onecopy/onecopy_collectives.h"

using namespace onecopy;
using namespace onecopy::c_api;

namespace {

/// A reduction that no call takes.
Reduction no_reduction() noexcept { return {Op{}, Type{}}; }

Reduction reduction_by(unsigned long flags) noexcept {
    return reduction_of(flags).value_or(no_reduction());
}
Reduction reduction_by(onecopy_operation* operation, std::size_t element_bytes,
                       void* context) noexcept {
    if (operation == nullptr) return no_reduction();
    return Function{operation, element_bytes, context};
}

// Each call once; its flags and a caller's function come to the same.

using Combining = void (Communicator::*)(ConstSegment, Segment, const Reduction&,
                                         std::error_code&) noexcept;
using BegunCombining = Request (Communicator::*)(ConstSegment, Segment, const Reduction&);

/// allreduce, scan and exscan: everybody gives and gets `bytes`.
int combine(onecopy_comm* comm, Combining call, const void* from, void* to, std::size_t bytes,
            const Reduction& how) noexcept {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        (ranks.*call)(to_send(from, bytes), to_receive(to, bytes), how, error);
    });
}
int combine(onecopy_comm* comm, BegunCombining call, const void* from, void* to, std::size_t bytes,
            const Reduction& how, onecopy_request** request) noexcept {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        return (ranks.*call)(to_send(from, bytes), to_receive(to, bytes), how);
    });
}

int reduce(onecopy_comm* comm, const void* from, void* to, std::size_t bytes, const Reduction& how,
           int root) noexcept {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        ranks.reduce(to_send(from, bytes), to_receive(to, bytes), how, root, error);
    });
}
int ireduce(onecopy_comm* comm, const void* from, void* to, std::size_t bytes, const Reduction& how,
            int root, onecopy_request** request) noexcept {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        return ranks.ireduce(to_send(from, bytes), to_receive(to, bytes), how, root);
    });
}

int reduce_scatter_block(onecopy_comm* comm, const void* from, void* to, std::size_t bytes,
                         const Reduction& how) noexcept {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        ranks.reduce_scatter_block(to_send(from, for_each_rank(ranks, bytes)),
                                   to_receive(to, bytes), how, error);
    });
}
int ireduce_scatter_block(onecopy_comm* comm, const void* from, void* to, std::size_t bytes,
                          const Reduction& how, onecopy_request** request) noexcept {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        return ranks.ireduce_scatter_block(to_send(from, for_each_rank(ranks, bytes)),
                                           to_receive(to, bytes), how);
    });
}

int reduce_scatter(onecopy_comm* comm, const void* from, void* to, const std::size_t* part_bytes,
                   const Reduction& how) noexcept {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        const CParts part(ranks, part_bytes, nullptr);
        ranks.reduce_scatter(to_send(from, part.all_bytes), to_receive(to, part.own_bytes(ranks)),
                             part.parts.bytes, how, error);
    });
}
int ireduce_scatter(onecopy_comm* comm, const void* from, void* to, const std::size_t* part_bytes,
                    const Reduction& how, onecopy_request** request) noexcept {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        const CParts part(ranks, part_bytes, nullptr);
        return ranks.ireduce_scatter(to_send(from, part.all_bytes),
                                     to_receive(to, part.own_bytes(ranks)), part.parts.bytes, how);
    });
}

/// Rank 0 gets no result of exscan, and MPI's programs name no memory for it there: its own
/// contribution's is as good, since nothing is written to it.
void* result_of_exscan(const onecopy_comm* comm, const void* from, void* to) noexcept {
    const bool is_first = onecopy_comm_rank(comm) == 0;
    return is_first && to == nullptr ? const_cast<void*>(from) : to;
}

}  // namespace

extern "C" {

int onecopy_reduce(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                   unsigned long flags, int root) {
    return reduce(comm, from, to, bytes, reduction_by(flags), root);
}

int onecopy_ireduce(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                    unsigned long flags, int root, onecopy_request** request) {
    return ireduce(comm, from, to, bytes, reduction_by(flags), root, request);
}

int onecopy_reduce_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                      onecopy_operation* operation, size_t element_bytes, void* context, int root) {
    return reduce(comm, from, to, bytes, reduction_by(operation, element_bytes, context), root);
}

int onecopy_ireduce_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                       onecopy_operation* operation, size_t element_bytes, void* context, int root,
                       onecopy_request** request) {
    return ireduce(comm, from, to, bytes, reduction_by(operation, element_bytes, context), root,
                   request);
}

int onecopy_allreduce(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                      unsigned long flags) {
    return combine(comm, &Communicator::allreduce, from, to, bytes, reduction_by(flags));
}

int onecopy_iallreduce(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                       unsigned long flags, onecopy_request** request) {
    return combine(comm, &Communicator::iallreduce, from, to, bytes, reduction_by(flags), request);
}

int onecopy_allreduce_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                         onecopy_operation* operation, size_t element_bytes, void* context) {
    return combine(comm, &Communicator::allreduce, from, to, bytes,
                   reduction_by(operation, element_bytes, context));
}

int onecopy_iallreduce_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                          onecopy_operation* operation, size_t element_bytes, void* context,
                          onecopy_request** request) {
    return combine(comm, &Communicator::iallreduce, from, to, bytes,
                   reduction_by(operation, element_bytes, context), request);
}

int onecopy_reduce_scatter_block(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                                 unsigned long flags) {
    return reduce_scatter_block(comm, from, to, bytes, reduction_by(flags));
}

int onecopy_ireduce_scatter_block(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                                  unsigned long flags, onecopy_request** request) {
    return ireduce_scatter_block(comm, from, to, bytes, reduction_by(flags), request);
}

int onecopy_reduce_scatter_block_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                                    onecopy_operation* operation, size_t element_bytes,
                                    void* context) {
    return reduce_scatter_block(comm, from, to, bytes,
                                reduction_by(operation, element_bytes, context));
}

int onecopy_ireduce_scatter_block_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                                     onecopy_operation* operation, size_t element_bytes,
                                     void* context, onecopy_request** request) {
    return ireduce_scatter_block(comm, from, to, bytes,
                                 reduction_by(operation, element_bytes, context), request);
}

int onecopy_reduce_scatter(onecopy_comm* comm, const void* from, void* to, const size_t* part_bytes,
                           unsigned long flags) {
    return reduce_scatter(comm, from, to, part_bytes, reduction_by(flags));
}

int onecopy_ireduce_scatter(onecopy_comm* comm, const void* from, void* to,
                            const size_t* part_bytes, unsigned long flags,
                            onecopy_request** request) {
    return ireduce_scatter(comm, from, to, part_bytes, reduction_by(flags), request);
}

int onecopy_reduce_scatter_by(onecopy_comm* comm, const void* from, void* to,
                              const size_t* part_bytes, onecopy_operation* operation,
                              size_t element_bytes, void* context) {
    return reduce_scatter(comm, from, to, part_bytes,
                          reduction_by(operation, element_bytes, context));
}

int onecopy_ireduce_scatter_by(onecopy_comm* comm, const void* from, void* to,
                               const size_t* part_bytes, onecopy_operation* operation,
                               size_t element_bytes, void* context, onecopy_request** request) {
    return ireduce_scatter(comm, from, to, part_bytes,
                           reduction_by(operation, element_bytes, context), request);
}

int onecopy_scan(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                 unsigned long flags) {
    return combine(comm, &Communicator::scan, from, to, bytes, reduction_by(flags));
}

int onecopy_iscan(onecopy_comm* comm, const void* from, void* to, size_t bytes, unsigned long flags,
                  onecopy_request** request) {
    return combine(comm, &Communicator::iscan, from, to, bytes, reduction_by(flags), request);
}

int onecopy_scan_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                    onecopy_operation* operation, size_t element_bytes, void* context) {
    return combine(comm, &Communicator::scan, from, to, bytes,
                   reduction_by(operation, element_bytes, context));
}

int onecopy_iscan_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                     onecopy_operation* operation, size_t element_bytes, void* context,
                     onecopy_request** request) {
    return combine(comm, &Communicator::iscan, from, to, bytes,
                   reduction_by(operation, element_bytes, context), request);
}

int onecopy_exscan(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                   unsigned long flags) {
    return combine(comm, &Communicator::exscan, from, result_of_exscan(comm, from, to), bytes,
                   reduction_by(flags));
}

int onecopy_iexscan(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                    unsigned long flags, onecopy_request** request) {
    return combine(comm, &Communicator::iexscan, from, result_of_exscan(comm, from, to), bytes,
                   reduction_by(flags), request);
}

int onecopy_exscan_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                      onecopy_operation* operation, size_t element_bytes, void* context) {
    return combine(comm, &Communicator::exscan, from, result_of_exscan(comm, from, to), bytes,
                   reduction_by(operation, element_bytes, context));
}

int onecopy_iexscan_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                       onecopy_operation* operation, size_t element_bytes, void* context,
                       onecopy_request** request) {
    return combine(comm, &Communicator::iexscan, from, result_of_exscan(comm, from, to), bytes,
                   reduction_by(operation, element_bytes, context), request);
}

}  // extern "C"
