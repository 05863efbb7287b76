// Calls that all ranks of a communicator make together.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <system_error>

#include "onecopy/elements.hpp"
#include "onecopy/reduce.hpp"
#include "onecopy/request.hpp"
#include "onecopy/transfer.hpp"

namespace onecopy {

namespace node {
class Context;
class Endpoint;
}  // namespace node
namespace collectives {
struct Prepared;
}

/// How elements are combined: one of the predefined operations, or a caller's function.
///
/// Operands always stand in the order of their ranks, so the operation need not commute, and which
/// are combined first depends on the number of ranks alone: the same input gives the same bits in
/// every run, by whatever way. (It should be associative, or the result is one of several.)
struct Reduction {
    Reduction(Op operation, Type element) noexcept : op(operation), type(element) {}
    /// Borrowed until the call, or its request, is over.
    Reduction(const Function& own) noexcept : function(own) {}  // NOLINT(*-explicit-*)

    Op op = Op::no_op;
    Type type = Type::int8;
    Function function;

    /// 0: there is no such type.
    [[nodiscard]] std::size_t element_bytes() const noexcept {
        return function.call != nullptr ? function.element_bytes : size_of(type);
    }
};

/// Where the parts of a buffer are, one for each rank: their bytes, and how far from its begin
/// (empty: one behind the other). Borrowed until the call, or the request, is over.
struct Parts {
    std::span<const std::size_t> bytes;
    std::span<const std::size_t> offsets = {};
};

/// The collective calls of a Communicator. All its ranks make the same ones, in the same order;
/// blocking and non-blocking ones do not match each other. What MPI 4.0, chapter 6, says of them
/// holds.
///
/// Sizes are in bytes. Memory in which a rank's own contribution already stands where the result is
/// to be (`from` begins where that is) is left in place: for reductions `from` is `to`; for
/// allgather and, at the root, gather and scatter it is the own part; for alltoall all of it.
/// Memory must not overlap otherwise. Results are complete when the call returns or the request is
/// done; the memory belongs to it until then.
///
/// Each call has a form that throws std::system_error, one that reports, and one that begins it and
/// gives a Request (whose `status` says nothing but the error; it cannot be cancelled).
/// Threads: as Communicator.
/// Errors: as Communicator; Errc::mismatch, the ranks do not agree on the call, its size, its root
/// or its operation: all of them get that, where it can be seen, and the communicator is of no more
/// use for such calls (its messages still are); EINVAL, a size is no multiple of what it must be,
/// or MPI's table has no such operation for the type: if one rank alone is wrong the others get
/// Errc::mismatch, and if all are, the next call is as good as ever.
class Collectives {
public:
    Collectives() noexcept = default;

    /// Returns when all ranks have called it.
    void barrier();
    void barrier(std::error_code& error) noexcept;
    Request ibarrier();

    /// The root's memory to all.
    void bcast(Segment memory, int root = 0);
    void bcast(Segment memory, int root, std::error_code& error) noexcept;
    Request ibcast(Segment memory, int root = 0);

    /// Everybody's bytes, in the order of ranks, to the root. `to` counts there alone, and is as
    /// long as all of them together.
    void gather(ConstSegment from, Segment to, int root = 0);
    void gather(ConstSegment from, Segment to, int root, std::error_code& error) noexcept;
    Request igather(ConstSegment from, Segment to, int root = 0);
    /// The same with parts of different sizes, which the root alone names.
    void gatherv(ConstSegment from, Segment to, const Parts& parts, int root = 0);
    void gatherv(ConstSegment from, Segment to, const Parts& parts, int root,
                 std::error_code& error) noexcept;
    Request igatherv(ConstSegment from, Segment to, const Parts& parts, int root = 0);

    /// To each rank its part of the root's memory. `from` counts there alone.
    void scatter(ConstSegment from, Segment to, int root = 0);
    void scatter(ConstSegment from, Segment to, int root, std::error_code& error) noexcept;
    Request iscatter(ConstSegment from, Segment to, int root = 0);
    /// The same with parts of different sizes, which the root alone names.
    void scatterv(ConstSegment from, const Parts& parts, Segment to, int root = 0);
    void scatterv(ConstSegment from, const Parts& parts, Segment to, int root,
                  std::error_code& error) noexcept;
    Request iscatterv(ConstSegment from, const Parts& parts, Segment to, int root = 0);

    /// Everybody's bytes, in the order of ranks, to all.
    void allgather(ConstSegment from, Segment to);
    void allgather(ConstSegment from, Segment to, std::error_code& error) noexcept;
    Request iallgather(ConstSegment from, Segment to);
    /// The same with parts of different sizes: `parts.bytes` is the same at all.
    void allgatherv(ConstSegment from, Segment to, const Parts& parts);
    void allgatherv(ConstSegment from, Segment to, const Parts& parts,
                    std::error_code& error) noexcept;
    Request iallgatherv(ConstSegment from, Segment to, const Parts& parts);

    /// The i-th part of rank j to rank i, as its j-th part: all of one size.
    void alltoall(ConstSegment from, Segment to);
    void alltoall(ConstSegment from, Segment to, std::error_code& error) noexcept;
    Request ialltoall(ConstSegment from, Segment to);
    /// The same with parts of different sizes: as long at who sends one as at who gets it.
    void alltoallv(ConstSegment from, const Parts& from_parts, Segment to, const Parts& to_parts);
    void alltoallv(ConstSegment from, const Parts& from_parts, Segment to, const Parts& to_parts,
                   std::error_code& error) noexcept;
    Request ialltoallv(ConstSegment from, const Parts& from_parts, Segment to,
                       const Parts& to_parts);

    /// Everybody's elements, combined, to the root. `to` counts there alone.
    void reduce(ConstSegment from, Segment to, const Reduction& how, int root = 0);
    void reduce(ConstSegment from, Segment to, const Reduction& how, int root,
                std::error_code& error) noexcept;
    Request ireduce(ConstSegment from, Segment to, const Reduction& how, int root = 0);
    /// The same, to all.
    void allreduce(ConstSegment from, Segment to, const Reduction& how);
    void allreduce(ConstSegment from, Segment to, const Reduction& how,
                   std::error_code& error) noexcept;
    Request iallreduce(ConstSegment from, Segment to, const Reduction& how);
    /// The same, to each rank its part of the result: all of one size.
    void reduce_scatter_block(ConstSegment from, Segment to, const Reduction& how);
    void reduce_scatter_block(ConstSegment from, Segment to, const Reduction& how,
                              std::error_code& error) noexcept;
    Request ireduce_scatter_block(ConstSegment from, Segment to, const Reduction& how);
    /// Parts of different sizes: `bytes`, by rank, the same at all.
    void reduce_scatter(ConstSegment from, Segment to, std::span<const std::size_t> bytes,
                        const Reduction& how);
    void reduce_scatter(ConstSegment from, Segment to, std::span<const std::size_t> bytes,
                        const Reduction& how, std::error_code& error) noexcept;
    Request ireduce_scatter(ConstSegment from, Segment to, std::span<const std::size_t> bytes,
                            const Reduction& how);
    /// To each rank the elements of the ranks up to itself, combined from left to right.
    void scan(ConstSegment from, Segment to, const Reduction& how);
    void scan(ConstSegment from, Segment to, const Reduction& how, std::error_code& error) noexcept;
    Request iscan(ConstSegment from, Segment to, const Reduction& how);
    /// The elements of the ranks before itself. Rank 0's `to` stays as it is.
    void exscan(ConstSegment from, Segment to, const Reduction& how);
    void exscan(ConstSegment from, Segment to, const Reduction& how,
                std::error_code& error) noexcept;
    Request iexscan(ConstSegment from, Segment to, const Reduction& how);

    // Elements of any type that is a row of bytes; of a type that has a reduction where one is
    // named.
    template <detail::Elements R>
    void bcast(R&& elements, int root = 0) {
        bcast(detail::writable_bytes_of(elements), root);
    }
    template <detail::Elements R, detail::Elements S>
    void gather(const R& from, S&& to, int root = 0) {
        gather(detail::bytes_of(from), detail::writable_bytes_of(to), root);
    }
    template <detail::Elements R, detail::Elements S>
    void scatter(const R& from, S&& to, int root = 0) {
        scatter(detail::bytes_of(from), detail::writable_bytes_of(to), root);
    }
    template <detail::Elements R, detail::Elements S>
    void allgather(const R& from, S&& to) {
        allgather(detail::bytes_of(from), detail::writable_bytes_of(to));
    }
    template <detail::Elements R, detail::Elements S>
    void alltoall(const R& from, S&& to) {
        alltoall(detail::bytes_of(from), detail::writable_bytes_of(to));
    }
    template <detail::Reducible R, detail::Reducible S>
    void reduce(const R& from, S&& to, Op op, int root = 0) {
        reduce(detail::bytes_of(from), detail::writable_bytes_of(to), {op, detail::type_of<R>},
               root);
    }
    template <detail::Reducible R, detail::Reducible S>
    void allreduce(const R& from, S&& to, Op op) {
        allreduce(detail::bytes_of(from), detail::writable_bytes_of(to), {op, detail::type_of<R>});
    }
    template <detail::Reducible R, detail::Reducible S>
    void reduce_scatter_block(const R& from, S&& to, Op op) {
        reduce_scatter_block(detail::bytes_of(from), detail::writable_bytes_of(to),
                             {op, detail::type_of<R>});
    }
    template <detail::Reducible R, detail::Reducible S>
    void scan(const R& from, S&& to, Op op) {
        scan(detail::bytes_of(from), detail::writable_bytes_of(to), {op, detail::type_of<R>});
    }
    template <detail::Reducible R, detail::Reducible S>
    void exscan(const R& from, S&& to, Op op) {
        exscan(detail::bytes_of(from), detail::writable_bytes_of(to), {op, detail::type_of<R>});
    }
    /// Of one value.
    template <class T>
    requires detail::has_type<T> T allreduce(const T& value, Op op) {
        T result{};
        allreduce(std::as_bytes(std::span(&value, 1)),
                  std::as_writable_bytes(std::span(&result, 1)),
                  Reduction(op, detail::type_of<std::span<const T>>));
        return result;
    }

protected:
    Collectives(node::Endpoint& endpoint, node::Context& context, node::Context& inner) noexcept
        : endpoint_(&endpoint), context_(&context), inner_(&inner) {}

    node::Endpoint* endpoint_ = nullptr;
    node::Context* context_ = nullptr;  // of the user's messages
    node::Context* inner_ = nullptr;    // of our own
    std::shared_ptr<void> opened_;  // by all copies: with the last one the communicator is closed

private:
    std::error_code call(const collectives::Prepared& prepared) noexcept;
    Request begin(const collectives::Prepared& prepared);
};

}  // namespace onecopy
