// Memory that other ranks read and change by themselves: one-sided communication.
//
// Where the memory is mapped (all that comes from the nodes' arenas, as allocate() takes it) a put
// is a store and a get is a load: nobody is asked, nothing is queued, no system call is made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <system_error>

#include "onecopy/arena.hpp"
#include "onecopy/collectives.hpp"
#include "onecopy/elements.hpp"
#include "onecopy/error.hpp"
#include "onecopy/reduce.hpp"
#include "onecopy/transfer.hpp"

namespace onecopy {

class Communicator;

namespace windows {
class State;
}

/// A run of bytes of a rank's part of a window.
struct WindowRun {
    std::size_t offset;
    std::size_t bytes;
};

enum class LockType : std::uint8_t {
    shared,    ///< others may hold it shared, too
    exclusive  ///< nobody else holds it
};

/// A part of memory of each rank of a communicator, which all of them read and change. Movable.
///
/// What MPI 4.0, chapter 12, says of windows in the unified memory model holds, and some more:
/// there is one copy of everything, and what was put is in the target's memory when the call
/// returns. Epochs (fence, locks, post and start) say when others may look; calls outside of an
/// epoch are not refused. Offsets and sizes are in bytes. A put or get of 1, 2, 4 or
/// 8 bytes at a multiple of that, in mapped memory, is never seen half done.
///
/// Memory that is not mapped is read and written by system calls (`attach`), for which this process
/// needs the right; then accumulates take a lock and two calls each. A bad local address is a
/// signal, as in memcpy, or EFAULT.
///
/// Calls without a std::error_code throw std::system_error; those with one report there.
/// Errors: Errc::bad_rank; Errc::bad_range, the bytes do not lie in the target's part, nothing was
/// touched; Errc::peer_died, a rank of the window has ended: nothing can be done with it any more
/// (who only puts and gets learns of it by a flush, or whenever it waits); Errc::peer_left, one has
/// left the job with the window open; EINVAL, what is asked for makes no sense (each call says
/// when); EFAULT and ENOMEM, of memory that is not mapped; EMFILE, no descriptor for a peer.
///
/// One thread at a time, unless the Node was made for threads: then fence(), post(), start(),
/// complete(), wait() and the end are still for one.
class Window {
public:
    Window() noexcept;
    Window(Window&&) noexcept;
    Window& operator=(Window&&) noexcept;
    /// Collective, of all ranks that live, after an error too: waits until none of them uses the
    /// memory any more. Must come before the end of the Node. In a forked child it does nothing.
    ~Window();

    /// A window over memory that the caller has, and keeps for as long: of any size, of the node's
    /// arena or not; 0 bytes are fine. Collective. All ranks get the same verdict: EPERM, a rank
    /// may not reach another's memory that is not of the arena (another user, another pid
    /// namespace, Yama): use allocate(); ENOMEM.
    static Window create(Communicator& communicator, Segment memory);
    /// The same over memory from the node's arena, not zeroed, which is given back at the end.
    /// After the death of a rank while windows were made it is kept. EINVAL: another arena.
    static Window allocate(Communicator& communicator, Arena& arena, std::size_t bytes);

    [[nodiscard]] bool empty() const noexcept { return !state_; }
    [[nodiscard]] int rank() const noexcept;
    [[nodiscard]] int size() const noexcept;
    /// This rank's own part.
    [[nodiscard]] Segment memory() const noexcept;
    /// Of a rank's part; 0 if there is no such rank.
    [[nodiscard]] std::size_t bytes(int rank) const noexcept;

    /// A rank's part as it is mapped here, to be used as any memory (with sync() or atomics where
    /// others use it, too), until the window ends. EOPNOTSUPP: it is not of the arena.
    [[nodiscard]] Segment query(int rank);
    [[nodiscard]] Segment query(int rank, std::error_code& error) noexcept;

    // ---- Moving bytes ----

    void put(ConstSegment from, int target, std::size_t offset);
    void put(ConstSegment from, int target, std::size_t offset, std::error_code& error) noexcept;
    void get(Segment into, int target, std::size_t offset);
    void get(Segment into, int target, std::size_t offset, std::error_code& error) noexcept;
    /// Scattered memory on both sides, each list in order. EINVAL: not as many bytes on both.
    void put(std::span<const ConstSegment> pieces, int target, std::span<const WindowRun> runs);
    void put(std::span<const ConstSegment> pieces, int target, std::span<const WindowRun> runs,
             std::error_code& error) noexcept;
    void get(std::span<const Segment> pieces, int target, std::span<const WindowRun> runs);
    void get(std::span<const Segment> pieces, int target, std::span<const WindowRun> runs,
             std::error_code& error) noexcept;

    // ---- Changing elements ----
    //
    // target = target op operand, element by element, each of them at once: accumulates of all
    // ranks on the same elements (of one size, at the same places) do not get in each other's way,
    // whatever their operations. Op::replace is an atomic put, Op::no_op an atomic get. A caller's
    // function may be called more than once for an element, and must do nothing but compute.
    // EINVAL: MPI's table has no such operation for the type, or the bytes are no whole number of
    // elements. Source: MPI 4.0, section 12.3.4.

    void accumulate(ConstSegment from, int target, std::size_t offset, const Reduction& how);
    void accumulate(ConstSegment from, int target, std::size_t offset, const Reduction& how,
                    std::error_code& error) noexcept;
    /// `before` gets what was there. Equally long, but `from` may be empty for Op::no_op.
    void get_accumulate(ConstSegment from, Segment before, int target, std::size_t offset,
                        const Reduction& how);
    void get_accumulate(ConstSegment from, Segment before, int target, std::size_t offset,
                        const Reduction& how, std::error_code& error) noexcept;
    /// If the target's bytes are `expected`, they become `desired`; `before` gets what was there.
    /// All of one size. EINVAL if not.
    void compare_and_swap(ConstSegment expected, ConstSegment desired, Segment before, int target,
                          std::size_t offset);
    void compare_and_swap(ConstSegment expected, ConstSegment desired, Segment before, int target,
                          std::size_t offset, std::error_code& error) noexcept;

    // ---- Epochs ----

    /// Collective: returns when all ranks are here; all see then what all have done before.
    void fence();
    void fence(std::error_code& error) noexcept;

    /// Returns when this rank holds the target's lock. First come, first served. A rank may lock
    /// several targets, each once (EINVAL); whoever does that in another order than others may wait
    /// for ever, as always with locks. Under an exclusive lock accumulates use no atomic
    /// instructions, and those of many elements are faster: as in MPI, whoever accumulates to that
    /// target meanwhile without a lock may lose what it added.
    void lock(LockType type, int target);
    void lock(LockType type, int target, std::error_code& error) noexcept;
    void unlock(int target);
    void unlock(int target, std::error_code& error) noexcept;
    /// All targets, shared. EINVAL: this rank holds locks of this window.
    void lock_all();
    void lock_all(std::error_code& error) noexcept;
    void unlock_all();
    void unlock_all(std::error_code& error) noexcept;

    /// What this rank has done before is seen by whoever is told of it afterwards; says whether the
    /// target still is there.
    void flush(int target);
    void flush(int target, std::error_code& error) noexcept;
    void flush_all();
    void flush_all(std::error_code& error) noexcept;
    /// Orders loads and stores of memory that others use, too.
    void sync() noexcept;

    /// Exposes this rank's part to `origins`, without waiting; wait() returns when all of them have
    /// completed. EINVAL: it is exposed already. Source: MPI 4.0, section 12.5.2.
    void post(std::span<const int> origins);
    void post(std::span<const int> origins, std::error_code& error) noexcept;
    void wait();
    void wait(std::error_code& error) noexcept;
    /// Returns when all `targets` have exposed theirs to this rank; complete() says that it is done
    /// with them. EINVAL: it has started already.
    void start(std::span<const int> targets);
    void start(std::span<const int> targets, std::error_code& error) noexcept;
    void complete();
    void complete(std::error_code& error) noexcept;

    // ---- Elements of any type that is a row of bytes ----

    template <detail::Elements R>
    void put(const R& elements, int target, std::size_t offset) {
        put(detail::bytes_of(elements), target, offset);
    }
    template <detail::Elements R>
    void get(R&& elements, int target, std::size_t offset) {
        get(detail::writable_bytes_of(elements), target, offset);
    }
    template <detail::Reducible R>
    void accumulate(const R& elements, int target, std::size_t offset, Op op) {
        accumulate(detail::bytes_of(elements), target, offset, {op, detail::type_of<R>});
    }
    /// What was there before.
    template <class T>
    requires detail::has_type<T> T fetch_and_op(const T& value, int target, std::size_t offset,
                                                Op op) {
        T before{};
        get_accumulate(std::as_bytes(std::span(&value, 1)),
                       std::as_writable_bytes(std::span(&before, 1)), target, offset,
                       {op, detail::type_of<std::span<const T>>});
        return before;
    }
    template <detail::Element T>
    T compare_and_swap(const T& expected, const T& desired, int target, std::size_t offset) {
        T before{};
        compare_and_swap(std::as_bytes(std::span(&expected, 1)),
                         std::as_bytes(std::span(&desired, 1)),
                         std::as_writable_bytes(std::span(&before, 1)), target, offset);
        return before;
    }

private:
    struct Free {
        void operator()(windows::State* state) const noexcept;
    };
    explicit Window(std::unique_ptr<windows::State, Free> state) noexcept;
    std::unique_ptr<windows::State, Free> state_;
};

}  // namespace onecopy
