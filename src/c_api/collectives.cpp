// onecopy_bcast, onecopy_ialltoall and their like: collective calls from C that move bytes.
#include "c_api/collective_calls.hpp"
#include "onecopy/onecopy_collectives.h"

using namespace onecopy;
using namespace onecopy::c_api;

extern "C" {

int onecopy_ibarrier(onecopy_comm* comm, onecopy_request** request) {
    return begin_collective(comm, request, [](Communicator& ranks) { return ranks.ibarrier(); });
}

int onecopy_bcast(onecopy_comm* comm, void* memory, size_t bytes, int root) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        ranks.bcast(to_receive(memory, bytes), root, error);
    });
}

int onecopy_ibcast(onecopy_comm* comm, void* memory, size_t bytes, int root,
                   onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        return ranks.ibcast(to_receive(memory, bytes), root);
    });
}

int onecopy_gather(onecopy_comm* comm, const void* from, void* to, size_t bytes, int root) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        ranks.gather(to_send(from, bytes), to_receive(to, for_each_rank(ranks, bytes)), root,
                     error);
    });
}

int onecopy_igather(onecopy_comm* comm, const void* from, void* to, size_t bytes, int root,
                    onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        return ranks.igather(to_send(from, bytes), to_receive(to, for_each_rank(ranks, bytes)),
                             root);
    });
}

int onecopy_gatherv(onecopy_comm* comm, const void* from, size_t from_bytes, void* to,
                    const size_t* part_bytes, const size_t* part_offsets, int root) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        const CParts part = parts_at(root, ranks, part_bytes, part_offsets);
        ranks.gatherv(to_send(from, from_bytes), to_receive(to, part.all_bytes), part.parts, root,
                      error);
    });
}

int onecopy_igatherv(onecopy_comm* comm, const void* from, size_t from_bytes, void* to,
                     const size_t* part_bytes, const size_t* part_offsets, int root,
                     onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        const CParts part = parts_at(root, ranks, part_bytes, part_offsets);
        return ranks.igatherv(to_send(from, from_bytes), to_receive(to, part.all_bytes), part.parts,
                              root);
    });
}

int onecopy_scatter(onecopy_comm* comm, const void* from, void* to, size_t bytes, int root) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        ranks.scatter(to_send(from, for_each_rank(ranks, bytes)), to_receive(to, bytes), root,
                      error);
    });
}

int onecopy_iscatter(onecopy_comm* comm, const void* from, void* to, size_t bytes, int root,
                     onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        return ranks.iscatter(to_send(from, for_each_rank(ranks, bytes)), to_receive(to, bytes),
                              root);
    });
}

int onecopy_scatterv(onecopy_comm* comm, const void* from, const size_t* part_bytes,
                     const size_t* part_offsets, void* to, size_t to_bytes, int root) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        const CParts part = parts_at(root, ranks, part_bytes, part_offsets);
        ranks.scatterv(to_send(from, part.all_bytes), part.parts, to_receive(to, to_bytes), root,
                       error);
    });
}

int onecopy_iscatterv(onecopy_comm* comm, const void* from, const size_t* part_bytes,
                      const size_t* part_offsets, void* to, size_t to_bytes, int root,
                      onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        const CParts part = parts_at(root, ranks, part_bytes, part_offsets);
        return ranks.iscatterv(to_send(from, part.all_bytes), part.parts, to_receive(to, to_bytes),
                               root);
    });
}

int onecopy_allgather(onecopy_comm* comm, const void* from, void* to, size_t bytes) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        ranks.allgather(to_send(from, bytes), to_receive(to, for_each_rank(ranks, bytes)), error);
    });
}

int onecopy_iallgather(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                       onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        return ranks.iallgather(to_send(from, bytes), to_receive(to, for_each_rank(ranks, bytes)));
    });
}

int onecopy_allgatherv(onecopy_comm* comm, const void* from, void* to, const size_t* part_bytes,
                       const size_t* part_offsets) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        const CParts part(ranks, part_bytes, part_offsets);
        ranks.allgatherv(to_send(from, part.own_bytes(ranks)), to_receive(to, part.all_bytes),
                         part.parts, error);
    });
}

int onecopy_iallgatherv(onecopy_comm* comm, const void* from, void* to, const size_t* part_bytes,
                        const size_t* part_offsets, onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        const CParts part(ranks, part_bytes, part_offsets);
        return ranks.iallgatherv(to_send(from, part.own_bytes(ranks)),
                                 to_receive(to, part.all_bytes), part.parts);
    });
}

int onecopy_alltoall(onecopy_comm* comm, const void* from, void* to, size_t bytes) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        ranks.alltoall(to_send(from, for_each_rank(ranks, bytes)),
                       to_receive(to, for_each_rank(ranks, bytes)), error);
    });
}

int onecopy_ialltoall(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                      onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        return ranks.ialltoall(to_send(from, for_each_rank(ranks, bytes)),
                               to_receive(to, for_each_rank(ranks, bytes)));
    });
}

int onecopy_alltoallv(onecopy_comm* comm, const void* from, const size_t* from_part_bytes,
                      const size_t* from_part_offsets, void* to, const size_t* to_part_bytes,
                      const size_t* to_part_offsets) {
    return make_collective(comm, [&](Communicator& ranks, std::error_code& error) {
        const CParts out(ranks, from_part_bytes, from_part_offsets);
        const CParts in(ranks, to_part_bytes, to_part_offsets);
        ranks.alltoallv(to_send(from, out.all_bytes), out.parts, to_receive(to, in.all_bytes),
                        in.parts, error);
    });
}

int onecopy_ialltoallv(onecopy_comm* comm, const void* from, const size_t* from_part_bytes,
                       const size_t* from_part_offsets, void* to, const size_t* to_part_bytes,
                       const size_t* to_part_offsets, onecopy_request** request) {
    return begin_collective(comm, request, [&](Communicator& ranks) {
        const CParts out(ranks, from_part_bytes, from_part_offsets);
        const CParts in(ranks, to_part_bytes, to_part_offsets);
        return ranks.ialltoallv(to_send(from, out.all_bytes), out.parts,
                                to_receive(to, in.all_bytes), in.parts);
    });
}

}  // extern "C"
