/* onecopy's collective calls for C: those that all ranks of a communicator make together. What
 * collectives.hpp is for C++; what onecopy_node.h says of errors, handles and threads holds.
 *
 *     double sums[3];
 *     int error = onecopy_allreduce(world, own, sums, sizeof sums, ONECOPY_SUM | ONECOPY_FLOAT64);
 *     error = onecopy_gather(world, sums, rows, sizeof sums, 0);
 *     onecopy_request* request;
 *     error = onecopy_ibcast(world, numbers, bytes, 0, &request);
 *     error = onecopy_wait(&request, NULL);
 *
 * All ranks make the same calls, in the same order; blocking and non-blocking ones do not match
 * each other. What MPI 4.0, chapter 6, says of them holds. Each call stands here once as it blocks
 * and once, with an i, as it only begins: its request is waited for and tested as any other
 * (onecopy_node.h), its status says nothing but the error, and it cannot be cancelled.
 *
 * Memory. Sizes and offsets are in bytes. All memory and all arrays are the caller's, and belong to
 * the call until it returns or its request is done: `from` is not to be written, `to` and `memory`
 * not to be touched. Of different calls, and otherwise, they must not overlap; but a rank's own
 * contribution may stand where the result is to be, and is left in place: for reductions `from` is
 * `to`; for gather and allgather `from`, and for scatter `to`, is the own part of the other (in a
 * gather or scatter at the root); for alltoall and alltoallv `from` is `to` (what a rank sends by
 * alltoallv is copied aside first, which takes as much memory for the call). What counts at the root
 * alone may be NULL elsewhere.
 *
 * Parts. Where they may have different sizes `part_bytes` has one for each rank, and `part_offsets`
 * says how far from the memory's begin each part is; NULL: one behind the other. Those to be
 * written must not overlap.
 *
 * Errors of all, the request's where there is one: -EINVAL, a size is no multiple of what it must
 * be or not the same in two places, memory of some bytes is at NULL, or there is no such operation
 * for the type; ONECOPY_ERR_BAD_RANK, no such root; ONECOPY_ERR_MISMATCH, the ranks do not agree on
 * the call, its size, its root or its operation: all of them get that, where it can be seen, and
 * the communicator is of no more use for collectives, only for messages; so too where one rank
 * alone got -EINVAL; if all make the same mistake it is as good as before; ONECOPY_ERR_PEER_DIED
 * and ONECOPY_ERR_PEER_LEFT, also for who waits for others that live; -EFAULT, -ENOMEM. Only where
 * the handle `comm` or the place for the request is NULL (-EINVAL), or there is no memory for a
 * request (-ENOMEM), nothing is begun, and `*request` is NULL.
 */
#ifndef ONECOPY_COLLECTIVES_H
#define ONECOPY_COLLECTIVES_H

#include "onecopy/onecopy.h"
#include "onecopy/onecopy_node.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Waiting for all ---- */

/* onecopy_barrier() is in onecopy_node.h. Done when all ranks have called it. */
int onecopy_ibarrier(onecopy_comm* comm, onecopy_request** request);

/* ---- Moving bytes ---- */

/* The root's memory to all. */
int onecopy_bcast(onecopy_comm* comm, void* memory, size_t bytes, int root);
int onecopy_ibcast(onecopy_comm* comm, void* memory, size_t bytes, int root,
                   onecopy_request** request);

/* Everybody's `bytes` at `from`, in the order of ranks, to the root: as many times `bytes` at `to`
 * as there are ranks. `to` counts there alone. */
int onecopy_gather(onecopy_comm* comm, const void* from, void* to, size_t bytes, int root);
int onecopy_igather(onecopy_comm* comm, const void* from, void* to, size_t bytes, int root,
                    onecopy_request** request);

/* The same with parts of different sizes. They and `to` count at the root alone. */
int onecopy_gatherv(onecopy_comm* comm, const void* from, size_t from_bytes, void* to,
                    const size_t* part_bytes, const size_t* part_offsets, int root);
int onecopy_igatherv(onecopy_comm* comm, const void* from, size_t from_bytes, void* to,
                     const size_t* part_bytes, const size_t* part_offsets, int root,
                     onecopy_request** request);

/* To each rank its part, of `bytes`, of the root's `from`, which counts there alone. */
int onecopy_scatter(onecopy_comm* comm, const void* from, void* to, size_t bytes, int root);
int onecopy_iscatter(onecopy_comm* comm, const void* from, void* to, size_t bytes, int root,
                     onecopy_request** request);

/* The same with parts of different sizes. They and `from` count at the root alone. */
int onecopy_scatterv(onecopy_comm* comm, const void* from, const size_t* part_bytes,
                     const size_t* part_offsets, void* to, size_t to_bytes, int root);
int onecopy_iscatterv(onecopy_comm* comm, const void* from, const size_t* part_bytes,
                      const size_t* part_offsets, void* to, size_t to_bytes, int root,
                      onecopy_request** request);

/* Everybody's `bytes`, in the order of ranks, to all. */
int onecopy_allgather(onecopy_comm* comm, const void* from, void* to, size_t bytes);
int onecopy_iallgather(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                       onecopy_request** request);

/* The same with parts of different sizes, of which this rank's is at `from`. */
int onecopy_allgatherv(onecopy_comm* comm, const void* from, void* to, const size_t* part_bytes,
                       const size_t* part_offsets);
int onecopy_iallgatherv(onecopy_comm* comm, const void* from, void* to, const size_t* part_bytes,
                        const size_t* part_offsets, onecopy_request** request);

/* The i-th part of rank j to rank i, as its j-th part. Each is of `bytes`. */
int onecopy_alltoall(onecopy_comm* comm, const void* from, void* to, size_t bytes);
int onecopy_ialltoall(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                      onecopy_request** request);

/* The same with parts of different sizes: for rank i those that it expects from here. */
int onecopy_alltoallv(onecopy_comm* comm, const void* from, const size_t* from_part_bytes,
                      const size_t* from_part_offsets, void* to, const size_t* to_part_bytes,
                      const size_t* to_part_offsets);
int onecopy_ialltoallv(onecopy_comm* comm, const void* from, const size_t* from_part_bytes,
                       const size_t* from_part_offsets, void* to, const size_t* to_part_bytes,
                       const size_t* to_part_offsets, onecopy_request** request);

/* ---- Combining elements ----
 *
 * `flags` is an operation and a type, as ONECOPY_SUM | ONECOPY_FLOAT64 (onecopy.h). Or, where the
 * name ends in _by, the operation is the caller's own on elements of `element_bytes`, and gets
 * `context`, which is borrowed as the memory is; it may be called in any call of the node that
 * waits or tests, and must not call the node. It need not be commutative, but should be
 * associative: operands stand in the order of their ranks, and which are combined first depends on
 * the number of ranks alone, so that the same input gives the same bits in every run. Sizes are
 * whole numbers of elements. */

/* Everybody's elements, combined, to the root. `to` counts there alone. */
int onecopy_reduce(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                   unsigned long flags, int root);
int onecopy_reduce_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                      onecopy_operation* operation, size_t element_bytes, void* context, int root);
int onecopy_ireduce(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                    unsigned long flags, int root, onecopy_request** request);
int onecopy_ireduce_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                       onecopy_operation* operation, size_t element_bytes, void* context, int root,
                       onecopy_request** request);

/* The same to all. */
int onecopy_allreduce(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                      unsigned long flags);
int onecopy_allreduce_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                         onecopy_operation* operation, size_t element_bytes, void* context);
int onecopy_iallreduce(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                       unsigned long flags, onecopy_request** request);
int onecopy_iallreduce_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                          onecopy_operation* operation, size_t element_bytes, void* context,
                          onecopy_request** request);

/* To each rank its part, of `bytes`, of the result: as many times that are at `from` as there are
 * ranks. */
int onecopy_reduce_scatter_block(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                                 unsigned long flags);
int onecopy_reduce_scatter_block_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                                    onecopy_operation* operation, size_t element_bytes,
                                    void* context);
int onecopy_ireduce_scatter_block(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                                  unsigned long flags, onecopy_request** request);
int onecopy_ireduce_scatter_block_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                                     onecopy_operation* operation, size_t element_bytes,
                                     void* context, onecopy_request** request);

/* The same with parts of different sizes, one behind the other; `part_bytes` is the same at all. */
int onecopy_reduce_scatter(onecopy_comm* comm, const void* from, void* to, const size_t* part_bytes,
                           unsigned long flags);
int onecopy_reduce_scatter_by(onecopy_comm* comm, const void* from, void* to,
                              const size_t* part_bytes, onecopy_operation* operation,
                              size_t element_bytes, void* context);
int onecopy_ireduce_scatter(onecopy_comm* comm, const void* from, void* to,
                            const size_t* part_bytes, unsigned long flags,
                            onecopy_request** request);
int onecopy_ireduce_scatter_by(onecopy_comm* comm, const void* from, void* to,
                               const size_t* part_bytes, onecopy_operation* operation,
                               size_t element_bytes, void* context, onecopy_request** request);

/* To each rank the elements of the ranks up to itself, combined from left to right. */
int onecopy_scan(onecopy_comm* comm, const void* from, void* to, size_t bytes, unsigned long flags);
int onecopy_scan_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                    onecopy_operation* operation, size_t element_bytes, void* context);
int onecopy_iscan(onecopy_comm* comm, const void* from, void* to, size_t bytes, unsigned long flags,
                  onecopy_request** request);
int onecopy_iscan_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                     onecopy_operation* operation, size_t element_bytes, void* context,
                     onecopy_request** request);

/* Of those before itself. Rank 0's `to` stays as it is, and may be NULL. */
int onecopy_exscan(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                   unsigned long flags);
int onecopy_exscan_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                      onecopy_operation* operation, size_t element_bytes, void* context);
int onecopy_iexscan(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                    unsigned long flags, onecopy_request** request);
int onecopy_iexscan_by(onecopy_comm* comm, const void* from, void* to, size_t bytes,
                       onecopy_operation* operation, size_t element_bytes, void* context,
                       onecopy_request** request);

#ifdef __cplusplus
}
#endif

#endif /* ONECOPY_COLLECTIVES_H */
