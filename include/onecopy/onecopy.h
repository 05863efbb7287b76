/* onecopy for C: the two system calls with the flags their RFC foresaw, and calls on a process handle.
 *
 * Bare pid (onecopy_readv, onecopy_writev): the arguments and errno behaviour of process_vm_readv and
 * process_vm_writev exactly, their limits included: at most IOV_MAX elements a side, at most
 * 0x7ffff000 bytes a call, and a pid that may have been recycled is not noticed.
 * Process handle (onecopy_process_*): any number of elements, any length, one target for certain.
 */
#ifndef ONECOPY_H
#define ONECOPY_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* flags = operation | type [| order]. 0 copies, as the system call does. The operations and types are
 * MPI's predefined ones; the pairs that MPI's table does not allow are EINVAL.
 * Source: MPI 4.0, sections 6.9.2 and 6.9.4. */
#define ONECOPY_TYPE_SHIFT 8
enum onecopy_flag {
    ONECOPY_SUM = 1,
    ONECOPY_PROD,
    ONECOPY_MIN,
    ONECOPY_MAX,
    ONECOPY_LAND,
    ONECOPY_LOR,
    ONECOPY_LXOR,
    ONECOPY_BAND,
    ONECOPY_BOR,
    ONECOPY_BXOR,
    ONECOPY_MINLOC,
    ONECOPY_MAXLOC,
    ONECOPY_REPLACE,
    ONECOPY_NO_OP,

    ONECOPY_INT8 = 1 << ONECOPY_TYPE_SHIFT,
    ONECOPY_INT16 = 2 << ONECOPY_TYPE_SHIFT,
    ONECOPY_INT32 = 3 << ONECOPY_TYPE_SHIFT,
    ONECOPY_INT64 = 4 << ONECOPY_TYPE_SHIFT,
    ONECOPY_UINT8 = 5 << ONECOPY_TYPE_SHIFT,
    ONECOPY_UINT16 = 6 << ONECOPY_TYPE_SHIFT,
    ONECOPY_UINT32 = 7 << ONECOPY_TYPE_SHIFT,
    ONECOPY_UINT64 = 8 << ONECOPY_TYPE_SHIFT,
    ONECOPY_FLOAT16 = 9 << ONECOPY_TYPE_SHIFT,
    ONECOPY_BFLOAT16 = 10 << ONECOPY_TYPE_SHIFT,
    ONECOPY_FLOAT32 = 11 << ONECOPY_TYPE_SHIFT,
    ONECOPY_FLOAT64 = 12 << ONECOPY_TYPE_SHIFT,
    ONECOPY_LONG_DOUBLE = 13 << ONECOPY_TYPE_SHIFT,
    ONECOPY_COMPLEX_FLOAT = 14 << ONECOPY_TYPE_SHIFT,
    ONECOPY_COMPLEX_DOUBLE = 15 << ONECOPY_TYPE_SHIFT,
    ONECOPY_BOOLEAN = 16 << ONECOPY_TYPE_SHIFT,
    ONECOPY_FLOAT_INT = 17 << ONECOPY_TYPE_SHIFT,
    ONECOPY_DOUBLE_INT = 18 << ONECOPY_TYPE_SHIFT,
    ONECOPY_LONG_INT = 19 << ONECOPY_TYPE_SHIFT,
    ONECOPY_INT_INT = 20 << ONECOPY_TYPE_SHIFT,
    ONECOPY_SHORT_INT = 21 << ONECOPY_TYPE_SHIFT,
    ONECOPY_LONG_DOUBLE_INT = 22 << ONECOPY_TYPE_SHIFT,
    ONECOPY_FLOAT_FLOAT = 23 << ONECOPY_TYPE_SHIFT,
    ONECOPY_DOUBLE_DOUBLE = 24 << ONECOPY_TYPE_SHIFT
};

/* Which operand stands left. Without it the destination does: readv computes local op remote, writev
 * remote op local. With it the source does. */
#define ONECOPY_SOURCE_LEFT (1UL << 16)

/* An operation of one's own, where a call takes one: result[i] = left[i] op right[i] for `count`
 * elements. `result` may be `left` or `right`; no alignment is promised. */
typedef void onecopy_operation(const void* left, const void* right, void* result, size_t count,
                               void* context);

/* readv: copies from process `pid` into this one; with flags `local[i] = local[i] op remote[i]`.
 * writev: the other direction; with flags `remote[i] = remote[i] op local[i]`, not atomic.
 *
 * Returns the bytes moved, which may be fewer than asked for, or -1 and errno as the system calls do.
 * With flags besides: EINVAL for unknown bits, a pair that is not allowed, or an element that an
 * iovec's end cuts (before anything moved); whole elements before a fault count; a local address that
 * cannot be touched is EFAULT, not a signal, and an element is written whole or not at all.
 * They open a handle for the call: EMFILE, ENFILE and ENOMEM are possible too.
 * onecopy_writev with flags refuses (EPERM) a process that it cannot reach through /proc/PID/mem,
 * unless it is the caller itself.
 * Thread-safe. Blocks. Source: process_vm_readv(2). */
ssize_t onecopy_readv(pid_t pid, const struct iovec* local, unsigned long local_count,
                      const struct iovec* remote, unsigned long remote_count, unsigned long flags);
ssize_t onecopy_writev(pid_t pid, const struct iovec* local, unsigned long local_count,
                       const struct iovec* remote, unsigned long remote_count, unsigned long flags);

/* A handle on a process: see onecopy::Process. Opaque; owned by the caller, freed by
 * onecopy_process_close(). Any number of threads may use one. */
typedef struct onecopy_process onecopy_process;

#define ONECOPY_PROCESS_WATCH_IMAGE 1U /* check for an exec after every transfer */
#define ONECOPY_PROCESS_HELD 2U        /* the caller vouches that the pid is not recycled */

/* A run of bytes in another process; wider than a pointer where this program is 32 bits. */
typedef struct onecopy_remote {
    uint64_t address;
    uint64_t bytes;
} onecopy_remote;

/* Null and errno on failure: ESRCH, no such process; EINVAL, unknown options; EMFILE, ENFILE, ENOMEM. */
onecopy_process* onecopy_process_open(pid_t pid, unsigned options);
void onecopy_process_close(onecopy_process* process);

/* 1 alive, 0 ended (or no handle). */
int onecopy_process_alive(const onecopy_process* process);

/* A descriptor that polls readable once the process has ended; owned by the handle; -1 before 5.3. */
int onecopy_process_death_fd(const onecopy_process* process);

/* 0 if its memory may be read now, else EPERM or ESRCH; EINVAL without a handle. */
int onecopy_process_access(const onecopy_process* process);

/* As onecopy::read, write, reduce and reduce_into: any number of elements, any total. `*bytes` (may be
 * null) is the exact count moved. Returns 0, or the errno that stopped it; EINVAL for a handle or a list
 * that is missing, ENOMEM for one that is too long. */
int onecopy_process_readv(const onecopy_process* process, const struct iovec* local,
                          size_t local_count, const onecopy_remote* remote, size_t remote_count,
                          unsigned long flags, uint64_t* bytes);
int onecopy_process_writev(const onecopy_process* process, const struct iovec* local,
                           size_t local_count, const onecopy_remote* remote, size_t remote_count,
                           unsigned long flags, uint64_t* bytes);

/* "0.1.0". Static. */
const char* onecopy_version(void);

#ifdef __cplusplus
}
#endif

#endif /* ONECOPY_H */
