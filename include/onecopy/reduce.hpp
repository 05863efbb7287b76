// Reductions: an operation applied while the data is fetched, so that the source is never copied.
//
// The RFC that gave Linux process_vm_readv foresaw a `flags` argument naming a math operation and
// an element type. This is it: the remote data passes through a tile that stays in cache and is
// combined there; no buffer of the message's size exists.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <system_error>

#include "onecopy/process.hpp"
#include "onecopy/result.hpp"
#include "onecopy/transfer.hpp"

namespace onecopy {

/// MPI's predefined operations. Source: MPI 4.0, section 6.9.2 and 12.3.4 (replace, no_op).
enum class Op : std::uint8_t {
    sum = 1,
    prod,
    min,
    max,
    land,
    lor,
    lxor,
    band,
    bor,
    bxor,
    minloc,
    maxloc,
    replace,
    no_op,
};

/// Element types. The `_int` pairs are MPI's MINLOC types: C structs with the C compiler's padding.
enum class Type : std::uint8_t {
    int8 = 1,
    int16,
    int32,
    int64,
    uint8,
    uint16,
    uint32,
    uint64,
    float16,
    bfloat16,
    float32,
    float64,
    long_double,
    complex_float,
    complex_double,
    boolean,
    float_int,
    double_int,
    long_int,
    int_int,
    short_int,
    long_double_int,
    float_float,
    double_double,
};

/// Which operand stands left: MPI reduces in rank order, and not every operation commutes.
enum class Order : std::uint8_t {
    local_op_remote,
    remote_op_local,
};

/// Bytes of one element, padding included; 0 for a value that is no Type.
[[nodiscard]] std::size_t size_of(Type type) noexcept;

/// Whether MPI's table allows `op` on `type`. Source: MPI 4.0, section 6.9.2.
[[nodiscard]] bool allowed(Op op, Type type) noexcept;

/// A caller's own operation: `result[i] = left[i] op right[i]` for `count` elements. `result` is
/// the same array as `left` or `right`, or overlaps neither. Must not throw. No alignment is
/// promised.
struct Function {
    using Call = void (*)(const void* left, const void* right, void* result, std::size_t count,
                          void* context);
    Call call = nullptr;
    std::size_t element_bytes = 0;
    void* context = nullptr;
};

/// Applies `op` to two arrays of `count` elements in this process: `result[i] = left[i] op
/// right[i]`. `result` may be the same array as `left` or `right` but must not partly overlap them.
/// Any alignment. EINVAL if MPI's table does not allow the pair.
///
/// The same input gives the same bits on every machine and instruction set, in the floating-point
/// environment that a program starts with (rounding to nearest, subnormal numbers not flushed,
/// which -ffast-math changes):
/// - Integers wrap. Half types are computed in float and rounded once, to nearest even.
/// - min and max are `left < right ? left : right` and its mirror image: the right operand if both
///   are equal (-0.0 and 0.0 are) or either is a NaN. Logical operations give 0 or 1.
/// - A sum or product that is no number is the left operand if that is a NaN, else the right one
///   (made quiet, payload kept), else x86's default NaN. A part of a complex product that is no
///   number is always the default one.
/// - minloc and maxloc give the pair of the smaller index when values tie, and the right pair if
///   either value is a NaN. The chosen pair is copied whole, padding included.
/// - `replace` gives the right operand, `no_op` the left one.
///
/// Any number of threads; no memory is kept.
std::error_code combine(Op op, Type type, const void* left, const void* right, void* result,
                        std::size_t count) noexcept;

/// Fetches and combines: `local[i] = local[i] op remote[i]`, or with Order::remote_op_local
/// `local[i] = remote[i] op local[i]`. (`replace` takes the remote value and `no_op` keeps the
/// local one in either order; `no_op` never looks at the remote side.) Each list in order, until
/// the shorter one ends. On overlapping memory of the calling process it goes tile by tile, so a
/// result may become an operand.
///
/// Returns the bytes combined, always whole elements: those before a hole count, an element that
/// reaches into the hole does not. Any alignment; elements may cross pages, not segments.
/// Errors, before anything moved: EINVAL, the pair of operation and type is not in MPI's table, or
/// a segment is no whole number of elements. Otherwise as read(). Local memory is touched by this
/// thread: a bad local address is a SIGSEGV, as in memcpy (for `replace` mostly EFAULT; the element
/// it cuts may have been moved in part and does not count). Any number of threads; each keeps up to
/// 1 MiB for tiles from its first large reduction to its end.
Transfer reduce(const Process& from, std::span<const Segment> local,
                std::span<const RemoteSegment> remote, Op op, Type type,
                Order order = Order::local_op_remote) noexcept;
Transfer reduce(const Process& from, std::span<const Segment> local,
                std::span<const RemoteSegment> remote, const Function& function,
                Order order = Order::local_op_remote) noexcept;

/// The mirror image, which writes to the remote side: `remote[i] = remote[i] op local[i]`, or with
/// Order::local_op_remote `remote[i] = local[i] op remote[i]`. Not atomic: nobody else may touch
/// the remote elements meanwhile, and no element may be listed twice. An element that a write left
/// torn at a bad page is put back, and for that moment visible to the target. Elements count only
/// when written whole.
/// (`replace` stores the local value, `no_op` changes nothing.) Errors: as reduce() and write().
Transfer reduce_into(const Process& to, std::span<const ConstSegment> local,
                     std::span<const RemoteSegment> remote, Op op, Type type,
                     Order order = Order::remote_op_local) noexcept;
Transfer reduce_into(const Process& to, std::span<const ConstSegment> local,
                     std::span<const RemoteSegment> remote, const Function& function,
                     Order order = Order::remote_op_local) noexcept;

}  // namespace onecopy
