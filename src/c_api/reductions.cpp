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

/// Where exscan's result goes. Rank 0 gets none, and MPI's programs name no memory there: its own
/// contribution's is as good, since nothing is written to it.
Segment result_before(const Communicator& ranks, const void* from, void* to,
                      std::size_t bytes) noexcept {
    if (ranks.rank() == 0 && to == nullptr) to = const_cast<void*>(from);
    return to_receive(to, bytes);
}

}  // namespace

extern "C" {

int onecopy_reduce(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                   unsigned long flags, int root) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        ranks.reduce(to_send(from, bytes), to_receive(to, bytes), reduction_by(flags), root, error);
    });
}

int onecopy_ireduce(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                    unsigned long flags, int root, onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        return ranks.ireduce(to_send(from, bytes), to_receive(to, bytes), reduction_by(flags),
                             root);
    });
}

int onecopy_reduce_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                      onecopy_operation* operation, size_t element_bytes, void* context, int root) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        ranks.reduce(to_send(from, bytes), to_receive(to, bytes),
                     reduction_by(operation, element_bytes, context), root, error);
    });
}

int onecopy_ireduce_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                       onecopy_operation* operation, size_t element_bytes, void* context, int root,
                       onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        return ranks.ireduce(to_send(from, bytes), to_receive(to, bytes),
                             reduction_by(operation, element_bytes, context), root);
    });
}

int onecopy_allreduce(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                      unsigned long flags) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        ranks.allreduce(to_send(from, bytes), to_receive(to, bytes), reduction_by(flags), error);
    });
}

int onecopy_iallreduce(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                       unsigned long flags, onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        return ranks.iallreduce(to_send(from, bytes), to_receive(to, bytes), reduction_by(flags));
    });
}

int onecopy_allreduce_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                         onecopy_operation* operation, size_t element_bytes, void* context) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        ranks.allreduce(to_send(from, bytes), to_receive(to, bytes),
                        reduction_by(operation, element_bytes, context), error);
    });
}

int onecopy_iallreduce_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                          onecopy_operation* operation, size_t element_bytes, void* context,
                          onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        return ranks.iallreduce(to_send(from, bytes), to_receive(to, bytes),
                                reduction_by(operation, element_bytes, context));
    });
}

int onecopy_reduce_scatter_block(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                                 unsigned long flags) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        ranks.reduce_scatter_block(to_send(from, for_each_rank(ranks, bytes)),
                                   to_receive(to, bytes), reduction_by(flags), error);
    });
}

int onecopy_ireduce_scatter_block(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                                  unsigned long flags, onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        return ranks.ireduce_scatter_block(to_send(from, for_each_rank(ranks, bytes)),
                                           to_receive(to, bytes), reduction_by(flags));
    });
}

int onecopy_reduce_scatter_block_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                                    onecopy_operation* operation, size_t element_bytes,
                                    void* context) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        ranks.reduce_scatter_block(to_send(from, for_each_rank(ranks, bytes)),
                                   to_receive(to, bytes),
                                   reduction_by(operation, element_bytes, context), error);
    });
}

int onecopy_ireduce_scatter_block_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                                     onecopy_operation* operation, size_t element_bytes,
                                     void* context, onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        return ranks.ireduce_scatter_block(to_send(from, for_each_rank(ranks, bytes)),
                                           to_receive(to, bytes),
                                           reduction_by(operation, element_bytes, context));
    });
}

int onecopy_reduce_scatter(onecopy_comm* comm, const void* from, void* to, const size_t* part_bytes,
                           unsigned long flags) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        const CParts part(ranks, part_bytes, nullptr);
        ranks.reduce_scatter(to_send(from, part.all_bytes), to_receive(to, part.own_bytes(ranks)),
                             part.parts.bytes, reduction_by(flags), error);
    });
}

int onecopy_ireduce_scatter(onecopy_comm* comm, const void* from, void* to,
                            const size_t* part_bytes, unsigned long flags,
                            onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        const CParts part(ranks, part_bytes, nullptr);
        return ranks.ireduce_scatter(to_send(from, part.all_bytes),
                                     to_receive(to, part.own_bytes(ranks)), part.parts.bytes,
                                     reduction_by(flags));
    });
}

int onecopy_reduce_scatter_by(onecopy_comm* comm, const void* from, void* to,
                              const size_t* part_bytes, onecopy_operation* operation,
                              size_t element_bytes, void* context) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        const CParts part(ranks, part_bytes, nullptr);
        ranks.reduce_scatter(to_send(from, part.all_bytes), to_receive(to, part.own_bytes(ranks)),
                             part.parts.bytes, reduction_by(operation, element_bytes, context),
                             error);
    });
}

int onecopy_ireduce_scatter_by(onecopy_comm* comm, const void* from, void* to,
                               const size_t* part_bytes, onecopy_operation* operation,
                               size_t element_bytes, void* context, onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        const CParts part(ranks, part_bytes, nullptr);
        return ranks.ireduce_scatter(to_send(from, part.all_bytes),
                                     to_receive(to, part.own_bytes(ranks)), part.parts.bytes,
                                     reduction_by(operation, element_bytes, context));
    });
}

int onecopy_scan(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                 unsigned long flags) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        ranks.scan(to_send(from, bytes), to_receive(to, bytes), reduction_by(flags), error);
    });
}

int onecopy_iscan(onecopy_comm* comm, const void* from, void* to, size_t bytes, unsigned long flags,
                  onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        return ranks.iscan(to_send(from, bytes), to_receive(to, bytes), reduction_by(flags));
    });
}

int onecopy_scan_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                    onecopy_operation* operation, size_t element_bytes, void* context) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        ranks.scan(to_send(from, bytes), to_receive(to, bytes),
                   reduction_by(operation, element_bytes, context), error);
    });
}

int onecopy_iscan_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                     onecopy_operation* operation, size_t element_bytes, void* context,
                     onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        return ranks.iscan(to_send(from, bytes), to_receive(to, bytes),
                           reduction_by(operation, element_bytes, context));
    });
}

int onecopy_exscan(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                   unsigned long flags) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        ranks.exscan(to_send(from, bytes), result_before(ranks, from, to, bytes),
                     reduction_by(flags), error);
    });
}

int onecopy_iexscan(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                    unsigned long flags, onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        return ranks.iexscan(to_send(from, bytes), result_before(ranks, from, to, bytes),
                             reduction_by(flags));
    });
}

int onecopy_exscan_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                      onecopy_operation* operation, size_t element_bytes, void* context) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        ranks.exscan(to_send(from, bytes), result_before(ranks, from, to, bytes),
                     reduction_by(operation, element_bytes, context), error);
    });
}

int onecopy_iexscan_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                       onecopy_operation* operation, size_t element_bytes, void* context,
                       onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        return ranks.iexscan(to_send(from, bytes), result_before(ranks, from, to, bytes),
                             reduction_by(operation, element_bytes, context));
    });
}

}  // extern "C"
