/* onecopy's ranks and messages for C: what node.hpp and communicator.hpp are for C++.
 *
 *     onecopy_node* node;
 *     int error = onecopy_node_open(NULL, &node);
 *     onecopy_comm* world = onecopy_node_world(node);
 *     if (onecopy_comm_rank(world) == 0) error = onecopy_send(world, numbers, bytes, 1, 0);
 *     if (onecopy_comm_rank(world) == 1)
 *         error = onecopy_recv(world, numbers, bytes, 0, ONECOPY_ANY_TAG, NULL);
 *     if (error < 0) fprintf(stderr, "onecopy: %s\n", onecopy_error_text(error));
 *
 * Errors. What returns an int returns a negative number if it failed: down to -4095 the negative of
 * one of errno's numbers (-ENOMEM), below that an enum onecopy_error. errno itself says something
 * only where that is written. A handle or a pointer that is missing is -EINVAL everywhere, and so
 * is memory of some bytes at address NULL, or of more than SSIZE_MAX bytes.
 *
 * Handles. All are opaque. A call that may end a handle takes the handle's address and leaves NULL
 * there if it did; to free nothing is no error. All handles of a node are to be freed before it is
 * closed.
 *
 * Threads. One at a time for all of a node, unless it was opened with ONECOPY_NODE_THREADS. Even
 * then one at a time for each request, message and view. Only onecopy_node_alloc(),
 * onecopy_node_free() and onecopy_error_text() may always be called by any thread. A thread that is
 * cancelled (pthread_cancel) in one of these calls ends when the call has returned.
 *
 * What is not said here is as in C++; what MPI 4.0, chapter 3, says of messages holds.
 */
#ifndef ONECOPY_NODE_H
#define ONECOPY_NODE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Errors of our own: onecopy::Errc, as -10000 - Errc. */
enum onecopy_error {
    ONECOPY_ERR_TRUNCATED = -10001, /* the message is longer than the memory for it */
    ONECOPY_ERR_PEER_DIED = -10002, /* a rank of the communicator has ended: shrink it */
    ONECOPY_ERR_PEER_LEFT = -10003, /* the rank has left the job */
    ONECOPY_ERR_BAD_RANK = -10004,  /* no such rank in the communicator */
    ONECOPY_ERR_BAD_TAG = -10005,   /* tags are not negative (but ONECOPY_ANY_TAG, to receive) */
    ONECOPY_ERR_CANCELLED = -10006, /* the receive was cancelled before a message came */
    ONECOPY_ERR_NO_JOB = -10007,    /* not started by `onecopy run`, and no key is given */
    ONECOPY_ERR_MISMATCH = -10008,  /* the ranks of a collective do not agree on what it is */
    ONECOPY_ERR_BAD_RANGE = -10009  /* bytes outside of the target's part of a window */
};

/* What such a number says, in a few words, without a full stop; "no error" if it is not negative.
 * Valid until this thread calls it again. */
const char* onecopy_error_text(int error);

#define ONECOPY_ANY_SOURCE (-1)
#define ONECOPY_ANY_TAG (-1)

typedef struct onecopy_node onecopy_node;       /* this process as a rank of a job */
typedef struct onecopy_comm onecopy_comm;       /* ranks that send each other messages */
typedef struct onecopy_request onecopy_request; /* a send or a receive on its way */
typedef struct onecopy_message onecopy_message; /* one that was found and not received yet */
typedef struct onecopy_view onecopy_view;       /* one that is read where its sender has it */

/* ---- Joining and leaving ---- */

#define ONECOPY_NODE_THREADS 1U /* several threads of this process use the node at a time */

/* Begin with ONECOPY_NODE_OPTIONS and set what shall be different. New fields come at the end, and
 * zero will always mean what is done without them: a library that is newer than the program takes
 * the rest for zero; one that is older refuses (-E2BIG) what it does not know and is not zero. */
typedef struct onecopy_node_options {
    size_t struct_bytes; /* sizeof(onecopy_node_options) */
    size_t arena_bytes;  /* what can be handed out of the arena at once; 0: what the machine has */
    /* For processes that were started otherwise than by `onecopy run`: a text that all ranks of the
     * job know and nobody else, and which of how many this one is. NULL or "": the environment
     * says it (ONECOPY_JOB, ONECOPY_RANK, ONECOPY_SIZE, ONECOPY_DIRECTORY). */
    const char* key;
    const char* directory; /* with a key: of mode 0700, for ranks without a common network */
    int rank;              /* with a key */
    int size;              /* with a key */
    unsigned flags;        /* 0 or ONECOPY_NODE_THREADS */
    unsigned timeout_ms;   /* with a key: how long the ranks wait for each other here; 0: 60000 */
} onecopy_node_options;

/* clang-format off */
#define ONECOPY_NODE_OPTIONS {sizeof(onecopy_node_options), 0, NULL, NULL, 0, 0, 0, 0}
/* clang-format on */

/* Joins the job, under `onecopy run` at once, by key when all have come. `options` may be NULL.
 *
 * One node for each process and job at a time. The thread that opens it should live as long as it.
 * Errors: ONECOPY_ERR_NO_JOB; -EINVAL, no such rank, unknown flags, or the environment names no job
 * of this version; -EEXIST, another process is that rank; -ETIMEDOUT, not all ranks came;
 * -EADDRINUSE, a job with that key is just meeting, or somebody sits on its name; -EPERM, the
 * directory is open to others; -E2BIG; -ENOMEM, -EMFILE, -EFBIG, no room for the arena. */
int onecopy_node_open(const onecopy_node_options* options, onecopy_node** node);

/* Leaves: who waits for a message from this rank gets ONECOPY_ERR_PEER_LEFT. The memory of the
 * arena goes with it. -EBUSY, and the rank stays, while one of its communicators (but the world),
 * requests, messages or views is not freed. */
int onecopy_node_close(onecopy_node** node);

int onecopy_node_rank(const onecopy_node* node);
int onecopy_node_size(const onecopy_node* node);

/* All ranks of the job. Owned by the node; NULL without one. */
onecopy_comm* onecopy_node_world(onecopy_node* node);

/* Memory of the node's arena, not zeroed, aligned to 64 bytes: what is sent from there and received
 * into it is copied without a system call, by both sides. NULL and errno if there is none: ENOMEM,
 * EINVAL without a node. */
void* onecopy_node_alloc(onecopy_node* node, size_t bytes);

/* Gives it back. `block` may be NULL. -EINVAL if it is none of this arena, or not any more. */
int onecopy_node_free(onecopy_node* node, void* block);

/* Since the rank joined. Bytes are counted where they are copied. New ones come at the end. */
typedef struct onecopy_counters {
    uint64_t eager_messages; /* sent through rings */
    uint64_t large_messages; /* received, or read in place */
    uint64_t mapped_bytes;   /* received through mappings of the senders' arenas */
    uint64_t called_bytes;   /* received by system calls */
    uint64_t staged_bytes;   /* received through slots that both copy at once */
    uint64_t helped_bytes;   /* sent by copying along with the receiver */
    uint64_t sleeps;         /* waits that went on in the kernel */
} onecopy_counters;

/* `struct_bytes`: sizeof(onecopy_counters); what an older library does not count is set to 0. */
int onecopy_node_counters(const onecopy_node* node, onecopy_counters* counters,
                          size_t struct_bytes);

/* ---- Communicators ---- */

int onecopy_comm_rank(const onecopy_comm* comm);
int onecopy_comm_size(const onecopy_comm* comm);

/* The same ranks, with messages of its own. All ranks call it. */
int onecopy_comm_dup(onecopy_comm* comm, onecopy_comm** result);

/* All ranks that gave the same `color`, ordered by `key`, then by their rank here; NULL for who
 * gave a negative color. All ranks call it. */
int onecopy_comm_split(onecopy_comm* comm, int color, int key, onecopy_comm** result);

/* After a death: those who live, in their old order. All who live call it, and it returns when they
 * have. What was sent in the old one and not received is lost. */
int onecopy_comm_shrink(onecopy_comm* comm, onecopy_comm** result);

/* Requests that were begun in it go on. -EINVAL for the world. */
int onecopy_comm_free(onecopy_comm** comm);

/* Returns when all ranks have called it. */
int onecopy_barrier(onecopy_comm* comm);

/* A descriptor that polls readable when something came for this rank (a message, the end of a
 * request or of a rank), for poll and epoll; owned by the node, one for all its communicators. Once
 * it did, call onecopy_iprobe(), onecopy_improbe() or onecopy_test() and its like until nothing is
 * found: only then it polls for what is new. Never read from it. -EMFILE, -EAGAIN: no descriptor,
 * no thread (there is one behind it). */
int onecopy_comm_native_handle(onecopy_comm* comm);

/* ---- Sending and receiving ---- */

/* Of a receive that is over, or of a message that was found. For a send only `error` says anything.
 * Where a call takes one it may be NULL. */
typedef struct onecopy_status {
    uint64_t bytes; /* received; of a message that was found, or is truncated: how long it is */
    int source;     /* the sender's rank */
    int tag;
    int error;    /* 0, or what stopped it: a negative number as calls return */
    int reserved; /* 0 */
} onecopy_status;

/* Returns when the memory may be changed again: small messages were copied then, large ones
 * received. Errors of this and of all below: those of enum onecopy_error; -EFAULT, a page of either
 * side cannot be read or written (above 64 KiB only: smaller messages, and memory that was good
 * before, may be copied by the processor, and then a bad address is a signal, as in memcpy); -ENOMEM, no memory for what is on
 * its way. */
int onecopy_send(onecopy_comm* comm, const void* memory, size_t bytes, int to, int tag);

/* The same, and returns only when a receive has taken the message, however small. */
int onecopy_ssend(onecopy_comm* comm, const void* memory, size_t bytes, int to, int tag);

/* Receives a message from rank `from`, or ONECOPY_ANY_SOURCE, with `tag`, or ONECOPY_ANY_TAG. If it
 * is longer than the memory, that is filled, the error is ONECOPY_ERR_TRUNCATED, and the status
 * says how long it was. */
int onecopy_recv(onecopy_comm* comm, void* memory, size_t bytes, int from, int tag,
                 onecopy_status* status);

/* Scattered memory, in this order; any number of pieces. They are read before the call returns. */
int onecopy_sendv(onecopy_comm* comm, const struct iovec* pieces, size_t count, int to, int tag);
int onecopy_recvv(onecopy_comm* comm, const struct iovec* pieces, size_t count, int from, int tag,
                  onecopy_status* status);

/* Both at once: neither waits for the other. */
int onecopy_sendrecv(onecopy_comm* comm, const void* send_memory, size_t send_bytes, int to,
                     int send_tag, void* recv_memory, size_t recv_bytes, int from, int recv_tag,
                     onecopy_status* status);

/* The message that onecopy_recv() would get now; it stays in the queue. probe waits for one and
 * returns 0; iprobe returns 1, or 0 if there is none. */
int onecopy_probe(onecopy_comm* comm, int from, int tag, onecopy_status* status);
int onecopy_iprobe(onecopy_comm* comm, int from, int tag, onecopy_status* status);

/* The same, and it is taken out of the queue: only who has the handle can receive it. A large one
 * keeps its sender waiting until then, or until the handle is freed. Where none is found `*message`
 * is NULL. */
int onecopy_mprobe(onecopy_comm* comm, int from, int tag, onecopy_message** message,
                   onecopy_status* status);
int onecopy_improbe(onecopy_comm* comm, int from, int tag, onecopy_message** message,
                    onecopy_status* status);

/* Receives it. `*message` is NULL then, also after an error. Where it is not (-EINVAL, -ENOMEM) the
 * message is still there. */
int onecopy_mrecv(onecopy_message** message, void* memory, size_t bytes, onecopy_status* status);
int onecopy_imrecv(onecopy_message** message, void* memory, size_t bytes,
                   onecopy_request** request);

/* Throws it away. */
int onecopy_message_free(onecopy_message** message);

/* ---- Messages that are read in place ---- */

/* Receives a message without memory for it. If it lies in its sender's arena nothing is copied: the
 * sender's request is done, and the memory its own again, when the view is freed, or its reader
 * ends, however it ends. What cannot be mapped in one piece is a copy. -ENOMEM: no memory for that,
 * and the message may be lost. */
int onecopy_recv_view(onecopy_comm* comm, int from, int tag, onecopy_view** view,
                      onecopy_status* status);

/* The bytes, not to be written, and how many they are; NULL and 0 without a view. */
const void* onecopy_view_data(const onecopy_view* view);
size_t onecopy_view_bytes(const onecopy_view* view);
/* 1 if they are the sender's own, 0 if they are a copy. */
int onecopy_view_in_place(const onecopy_view* view);

/* Lets the sender have its memory back. */
int onecopy_view_free(onecopy_view** view);

/* ---- Requests ---- */

/* Begin a send or a receive. The memory belongs to the message until the request is done: not to be
 * written for a send, not to be touched for a receive. They make progress in any call of the node
 * that waits or tests. What goes wrong but for -EINVAL and -ENOMEM the request reports, a rank that
 * does not exist too. */
int onecopy_isend(onecopy_comm* comm, const void* memory, size_t bytes, int to, int tag,
                  onecopy_request** request);
/* Done when a receive has taken the message. */
int onecopy_issend(onecopy_comm* comm, const void* memory, size_t bytes, int to, int tag,
                   onecopy_request** request);
int onecopy_irecv(onecopy_comm* comm, void* memory, size_t bytes, int from, int tag,
                  onecopy_request** request);
int onecopy_isendv(onecopy_comm* comm, const struct iovec* pieces, size_t count, int to, int tag,
                   onecopy_request** request);
int onecopy_irecvv(onecopy_comm* comm, const struct iovec* pieces, size_t count, int from, int tag,
                   onecopy_request** request);

/* Persistent ones: described here, begun by onecopy_start() again and again, not active in between.
 * The handle stays until it is freed. Source: MPI 4.0, section 3.9. */
int onecopy_send_init(onecopy_comm* comm, const void* memory, size_t bytes, int to, int tag,
                      onecopy_request** request);
int onecopy_recv_init(onecopy_comm* comm, void* memory, size_t bytes, int from, int tag,
                      onecopy_request** request);

/* -EINVAL if it is not persistent, -EBUSY if it is active. */
int onecopy_start(onecopy_request* request);

/* wait returns when the request is done: 0, or what stopped it. test returns 1 if it is done, 0 if
 * not, or what stopped it. The handle is NULL then, unless it is persistent. One that is NULL or
 * not active is done already, with an empty status (from any source, of any tag, no bytes). */
int onecopy_wait(onecopy_request** request, onecopy_status* status);
int onecopy_test(onecopy_request** request, onecopy_status* status);

/* For several of one node, in any mixture; for NULL among them, persistent ones and those that are
 * done as above. (-EINVAL if they are of several nodes.)
 *
 * wait_all: until all are done. `statuses`: room for `count`, or NULL. 0, or the error of the first
 * in this order that has one; all are done even then. test_all: 1 or that, or 0 if not all are
 * done: then nothing has changed. */
int onecopy_wait_all(onecopy_request** requests, size_t count, onecopy_status* statuses);
int onecopy_test_all(onecopy_request** requests, size_t count, onecopy_status* statuses);

#define ONECOPY_NO_INDEX ((size_t)-1)

/* wait_any: until one of the active ones is done. 1, and which it is in `*index`; what stopped it,
 * and which in `*index`; or 0 if none is active. test_any: the same without waiting, 0 also if none
 * is done. Where it is none `*index` is ONECOPY_NO_INDEX. */
int onecopy_wait_any(onecopy_request** requests, size_t count, size_t* index,
                     onecopy_status* status);
int onecopy_test_any(onecopy_request** requests, size_t count, size_t* index,
                     onecopy_status* status);

/* One that is done, and with what error in its status. */
typedef struct onecopy_finished {
    size_t index;
    onecopy_status status;
} onecopy_finished;

/* wait_some: until at least one of the active ones is done. Returns how many are, and tells which
 * in `finished`, room for `count`; 0 if none is active. test_some: the same without waiting. They
 * fail only by -EINVAL and -ENOMEM, and nothing has changed then. At most INT_MAX requests. */
int onecopy_wait_some(onecopy_request** requests, size_t count, onecopy_finished* finished);
int onecopy_test_some(onecopy_request** requests, size_t count, onecopy_finished* finished);

/* Takes back a receive that has no message yet: it is done then, with ONECOPY_ERR_CANCELLED, and
 * still to be waited for. 1 if so; 0 if it has one or is not active, and for sends. */
int onecopy_cancel(onecopy_request* request);

/* An active receive without a message is taken back; for everything else it waits. */
int onecopy_request_free(onecopy_request** request);

#ifdef __cplusplus
}
#endif

#endif /* ONECOPY_NODE_H */
