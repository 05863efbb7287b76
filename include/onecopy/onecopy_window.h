/* onecopy's windows for C: memory that other ranks read and change by themselves. What window.hpp
 * is for C++; what onecopy_node.h says of errors, handles and threads holds.
 *
 *     onecopy_window* window;
 *     int error = onecopy_window_allocate(world, 8 * sizeof(double), &window);
 *     error = onecopy_put(window, &number, sizeof number, right, 0);
 *     error = onecopy_fence(window);
 *     error = onecopy_window_free(&window);
 *
 * Offsets and sizes are in bytes. What was put is in the target's memory when the call returns;
 * epochs (fence, locks, post and start) say when others may look. What MPI 4.0, chapter 12, says of
 * windows in the unified memory model holds.
 *
 * Errors of all: ONECOPY_ERR_BAD_RANK; ONECOPY_ERR_BAD_RANGE, the bytes do not lie in the target's
 * part, and nothing was touched; ONECOPY_ERR_PEER_DIED, a rank of the window has ended, and nothing
 * can be done with it any more; ONECOPY_ERR_PEER_LEFT, one has left the job with the window open;
 * -EINVAL; -EFAULT and -ENOMEM, of memory that is not mapped; -EMFILE, no descriptor for a peer.
 */
#ifndef ONECOPY_WINDOW_H
#define ONECOPY_WINDOW_H

#include "onecopy/onecopy.h"
#include "onecopy/onecopy_node.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct onecopy_window onecopy_window; /* a part of memory of each rank of a communicator */

/* ---- Making and ending ---- */

/* Over memory that the caller has, and keeps until the window is freed: of the arena or not, of
 * another size at each rank, 0 too. All ranks call it and get the same verdict: -EPERM, a rank may
 * not reach another's memory that is not of the arena: allocate it; -ENOMEM. */
int onecopy_window_create(onecopy_comm* comm, void* memory, size_t bytes, onecopy_window** window);

/* Over memory of the node's arena, not zeroed, given back when the window is freed. */
int onecopy_window_allocate(onecopy_comm* comm, size_t bytes, onecopy_window** window);

/* All ranks that live call it, after an error too; it returns when none of them uses the memory any
 * more. */
int onecopy_window_free(onecopy_window** window);

/* This rank's own part; NULL and 0 without a window. `*bytes` may be missing. */
void* onecopy_window_memory(const onecopy_window* window, size_t* bytes);

/* A rank's part as it is mapped here, to be used as any memory until the window is freed.
 * -EOPNOTSUPP: it is not of the arena. */
int onecopy_window_query(onecopy_window* window, int rank, void** memory, size_t* bytes);

/* ---- Moving bytes ---- */

int onecopy_put(onecopy_window* window, const void* memory, size_t bytes, int target,
                size_t offset);
int onecopy_get(onecopy_window* window, void* memory, size_t bytes, int target, size_t offset);

/* A run of bytes of a target's part. */
typedef struct onecopy_run {
    size_t offset;
    size_t bytes;
} onecopy_run;

/* Scattered memory on both sides, each list in order; as many bytes on both, or -EINVAL. */
int onecopy_putv(onecopy_window* window, const struct iovec* pieces, size_t piece_count, int target,
                 const onecopy_run* runs, size_t run_count);
int onecopy_getv(onecopy_window* window, const struct iovec* pieces, size_t piece_count, int target,
                 const onecopy_run* runs, size_t run_count);

/* ---- Changing elements ---- */

/* target = target op memory, element by element, each of them at once with respect to other
 * accumulates of elements of that size. `flags` is an operation and a type, as ONECOPY_SUM |
 * ONECOPY_FLOAT64 (onecopy.h). ONECOPY_REPLACE is an atomic put, ONECOPY_NO_OP an atomic get.
 * -EINVAL: no such pair, or no whole number of elements. */
int onecopy_accumulate(onecopy_window* window, const void* memory, size_t bytes, int target,
                       size_t offset, unsigned long flags);
/* `before` gets what was there, as many bytes. `memory` may be NULL with ONECOPY_NO_OP. */
int onecopy_get_accumulate(onecopy_window* window, const void* memory, void* before, size_t bytes,
                           int target, size_t offset, unsigned long flags);
/* Of one element of the type. */
int onecopy_fetch_and_op(onecopy_window* window, const void* operand, void* before, int target,
                         size_t offset, unsigned long flags);
/* If the target's bytes are `expected` they become `desired`; `before` gets what was there. */
int onecopy_compare_and_swap(onecopy_window* window, const void* expected, const void* desired,
                             void* before, size_t bytes, int target, size_t offset);

/* The same with an operation of one's own, where left is the target's. It may be called more than
 * once for an element, and must do nothing but compute. */
int onecopy_accumulate_by(onecopy_window* window, const void* memory, size_t bytes, int target,
                          size_t offset, onecopy_operation* operation, size_t element_bytes,
                          void* context);
/* `before` may be NULL here. */
int onecopy_get_accumulate_by(onecopy_window* window, const void* memory, void* before,
                              size_t bytes, int target, size_t offset, onecopy_operation* operation,
                              size_t element_bytes, void* context);

/* ---- Epochs ---- */

/* Returns when all ranks are here; all see then what all have done before. */
int onecopy_fence(onecopy_window* window);

#define ONECOPY_LOCK_SHARED 0
#define ONECOPY_LOCK_EXCLUSIVE 1

/* First come, first served; each target once: -EINVAL, this rank holds it. */
int onecopy_lock(onecopy_window* window, int type, int target);
int onecopy_unlock(onecopy_window* window, int target);
/* All targets, shared. */
int onecopy_lock_all(onecopy_window* window);
int onecopy_unlock_all(onecopy_window* window);

/* What this rank has done is seen by whoever is told of it afterwards; and whether the target still
 * is there. */
int onecopy_flush(onecopy_window* window, int target);
int onecopy_flush_all(onecopy_window* window);
/* Orders loads and stores of memory that others use, too. */
int onecopy_window_sync(onecopy_window* window);

/* Exposes this rank's part to `count` ranks, without waiting; onecopy_window_wait() returns when
 * all of them have completed. start returns when all those targets have exposed theirs. */
int onecopy_window_post(onecopy_window* window, const int* ranks, size_t count);
int onecopy_window_wait(onecopy_window* window);
int onecopy_window_start(onecopy_window* window, const int* ranks, size_t count);
int onecopy_window_complete(onecopy_window* window);

#ifdef __cplusplus
}
#endif

#endif /* ONECOPY_WINDOW_H */
