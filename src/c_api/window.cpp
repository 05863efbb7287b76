// onecopy_window_*, onecopy_put, onecopy_accumulate and their like: windows from C.
#include "onecopy/window.hpp"

#include <cerrno>
#include <memory>
#include <utility>

#include "c_api/flags.hpp"
#include "c_api/node_handles.hpp"
#include "c_api/pieces.hpp"
#include "onecopy/onecopy_window.h"

using namespace onecopy;
using namespace onecopy::c_api;

struct onecopy_window {
    explicit onecopy_window(onecopy_node& node) noexcept : part(node) {}

    Part part;
    Window window;
};

namespace {

/// A handle for the window that `make` gives. The handle first: what the others have agreed to must
/// not be lost.
template <class Make>
int make_window(onecopy_comm* comm, onecopy_window** window, const Make& make) noexcept {
    if (window == nullptr) return -EINVAL;
    *window = nullptr;
    if (comm == nullptr) return -EINVAL;
    return guarded([&] {
        auto handle = std::make_unique<onecopy_window>(comm->part.node());
        handle->window = make(*comm->communicator);
        *window = handle.release();
        return 0;
    });
}

/// Calls what reports its error in the last argument.
template <class Call>
int run(onecopy_window* window, const Call& call) noexcept {
    if (window == nullptr) return -EINVAL;
    return guarded([&] {
        std::error_code error;
        call(window->window, error);
        return number_of(error);
    });
}

int change(onecopy_window* window, const void* memory, void* before, std::size_t bytes, int target,
           std::size_t offset, const Reduction& how) noexcept {
    return run(window, [&](Window& on, std::error_code& error) {
        const ConstSegment from = to_send(memory, memory != nullptr ? bytes : 0);
        if (before == nullptr) {
            on.accumulate(from, target, offset, how, error);
        } else {
            on.get_accumulate(from, to_receive(before, bytes), target, offset, how, error);
        }
    });
}

/// Runs `call` with the list as ours; or an error's number.
template <class Call>
int with_runs(const onecopy_run* runs, std::size_t count, const Call& call) noexcept {
    if (runs == nullptr && count > 0) return -EINVAL;
    const List<WindowRun> list(runs, count, [](const onecopy_run& run) {
        return WindowRun{run.offset, run.bytes};
    });
    return list.ok() ? call(std::span<const WindowRun>(list.get())) : -ENOMEM;
}

}  // namespace

extern "C" {

int onecopy_window_create(onecopy_comm* comm, void* memory, size_t bytes, onecopy_window** window) {
    if (!sound(memory, bytes)) {
        if (window != nullptr) *window = nullptr;
        return -EINVAL;
    }
    return make_window(comm, window, [&](Communicator& ranks) {
        return Window::create(ranks, to_receive(memory, bytes));
    });
}

int onecopy_window_allocate(onecopy_comm* comm, size_t bytes, onecopy_window** window) {
    return make_window(comm, window, [&](Communicator& ranks) {
        return Window::allocate(ranks, comm->part.node().node.arena(), bytes);
    });
}

int onecopy_window_free(onecopy_window** window) { return free_handle(window); }

void* onecopy_window_memory(const onecopy_window* window, size_t* bytes) {
    const Segment memory = window == nullptr ? Segment() : window->window.memory();
    if (bytes != nullptr) *bytes = memory.size();
    return memory.data();
}

int onecopy_window_query(onecopy_window* window, int rank, void** memory, size_t* bytes) {
    if (memory == nullptr) return -EINVAL;
    *memory = nullptr;
    if (bytes != nullptr) *bytes = 0;
    return run(window, [&](Window& on, std::error_code& error) {
        const Segment mapped = on.query(rank, error);
        *memory = mapped.data();
        if (bytes != nullptr) *bytes = mapped.size();
    });
}

int onecopy_put(onecopy_window* window, const void* memory, size_t bytes, int target,
                size_t offset) {
    if (!sound(memory, bytes)) return -EINVAL;
    return run(window, [&](Window& on, std::error_code& error) {
        on.put(to_send(memory, bytes), target, offset, error);
    });
}

int onecopy_get(onecopy_window* window, void* memory, size_t bytes, int target, size_t offset) {
    if (!sound(memory, bytes)) return -EINVAL;
    return run(window, [&](Window& on, std::error_code& error) {
        on.get(to_receive(memory, bytes), target, offset, error);
    });
}

int onecopy_putv(onecopy_window* window, const struct iovec* pieces, size_t piece_count, int target,
                 const onecopy_run* runs, size_t run_count) {
    return with_pieces_to_send(pieces, piece_count, [&](std::span<const ConstSegment> from) {
        return with_runs(runs, run_count, [&](std::span<const WindowRun> to) {
            return run(window, [&](Window& on, std::error_code& error) {
                on.put(from, target, to, error);
            });
        });
    });
}

int onecopy_getv(onecopy_window* window, const struct iovec* pieces, size_t piece_count, int target,
                 const onecopy_run* runs, size_t run_count) {
    return with_pieces_to_receive(pieces, piece_count, [&](std::span<const Segment> into) {
        return with_runs(runs, run_count, [&](std::span<const WindowRun> from) {
            return run(window, [&](Window& on, std::error_code& error) {
                on.get(into, target, from, error);
            });
        });
    });
}

int onecopy_accumulate(onecopy_window* window, const void* memory, size_t bytes, int target,
                       size_t offset, unsigned long flags) {
    const auto how = reduction_of(flags);
    if (!how || !sound(memory, bytes)) return -EINVAL;
    return change(window, memory, nullptr, bytes, target, offset, *how);
}

int onecopy_get_accumulate(onecopy_window* window, const void* memory, void* before, size_t bytes,
                           int target, size_t offset, unsigned long flags) {
    const auto how = reduction_of(flags);
    const bool none = memory == nullptr && how && how->op == Op::no_op;
    if (!how || before == nullptr || !sound(before, bytes) || (!none && !sound(memory, bytes))) {
        return -EINVAL;
    }
    return change(window, memory, before, bytes, target, offset, *how);
}

int onecopy_fetch_and_op(onecopy_window* window, const void* operand, void* before, int target,
                         size_t offset, unsigned long flags) {
    const auto how = reduction_of(flags);
    if (!how) return -EINVAL;
    return onecopy_get_accumulate(window, operand, before, how->element_bytes(), target, offset,
                                  flags);
}

int onecopy_compare_and_swap(onecopy_window* window, const void* expected, const void* desired,
                             void* before, size_t bytes, int target, size_t offset) {
    if (!sound(expected, bytes) || !sound(desired, bytes) || !sound(before, bytes)) return -EINVAL;
    return run(window, [&](Window& on, std::error_code& error) {
        on.compare_and_swap(to_send(expected, bytes), to_send(desired, bytes),
                            to_receive(before, bytes), target, offset, error);
    });
}

int onecopy_accumulate_by(onecopy_window* window, const void* memory, size_t bytes, int target,
                          size_t offset, onecopy_operation* operation, size_t element_bytes,
                          void* context) {
    return onecopy_get_accumulate_by(window, memory, nullptr, bytes, target, offset, operation,
                                     element_bytes, context);
}

int onecopy_get_accumulate_by(onecopy_window* window, const void* memory, void* before,
                              size_t bytes, int target, size_t offset, onecopy_operation* operation,
                              size_t element_bytes, void* context) {
    if (operation == nullptr || element_bytes == 0 || !sound(memory, bytes)) return -EINVAL;
    return change(window, memory, before, bytes, target, offset,
                  Function{operation, element_bytes, context});
}

int onecopy_fence(onecopy_window* window) {
    return run(window, [](Window& on, std::error_code& error) { on.fence(error); });
}

int onecopy_lock(onecopy_window* window, int type, int target) {
    if (type != ONECOPY_LOCK_SHARED && type != ONECOPY_LOCK_EXCLUSIVE) return -EINVAL;
    return run(window, [&](Window& on, std::error_code& error) {
        on.lock(type == ONECOPY_LOCK_SHARED ? LockType::shared : LockType::exclusive, target,
                error);
    });
}

int onecopy_unlock(onecopy_window* window, int target) {
    return run(window, [&](Window& on, std::error_code& error) { on.unlock(target, error); });
}

int onecopy_lock_all(onecopy_window* window) {
    return run(window, [](Window& on, std::error_code& error) { on.lock_all(error); });
}

int onecopy_unlock_all(onecopy_window* window) {
    return run(window, [](Window& on, std::error_code& error) { on.unlock_all(error); });
}

int onecopy_flush(onecopy_window* window, int target) {
    return run(window, [&](Window& on, std::error_code& error) { on.flush(target, error); });
}

int onecopy_flush_all(onecopy_window* window) {
    return run(window, [](Window& on, std::error_code& error) { on.flush_all(error); });
}

int onecopy_window_sync(onecopy_window* window) {
    return run(window, [](Window& on, std::error_code&) { on.sync(); });
}

int onecopy_window_post(onecopy_window* window, const int* ranks, size_t count) {
    if (ranks == nullptr && count > 0) return -EINVAL;
    return run(window, [&](Window& on, std::error_code& error) {
        on.post(std::span(ranks, count), error);
    });
}

int onecopy_window_wait(onecopy_window* window) {
    return run(window, [](Window& on, std::error_code& error) { on.wait(error); });
}

int onecopy_window_start(onecopy_window* window, const int* ranks, size_t count) {
    if (ranks == nullptr && count > 0) return -EINVAL;
    return run(window, [&](Window& on, std::error_code& error) {
        on.start(std::span(ranks, count), error);
    });
}

int onecopy_window_complete(onecopy_window* window) {
    return run(window, [](Window& on, std::error_code& error) { on.complete(error); });
}

}  // extern "C"
