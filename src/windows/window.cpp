#include "onecopy/window.hpp"

#include <utility>

#include "os/errors.hpp"
#include "os/fence.hpp"
#include "windows/state.hpp"

namespace onecopy {
namespace {

using os::throw_if;

std::error_code not_as_long() noexcept { return std::make_error_code(std::errc::invalid_argument); }

std::error_code accumulate_into(windows::State& state, ConstSegment from, int target,
                                std::size_t offset, const Reduction& how) noexcept {
    return state.accumulate(from.data(), nullptr, from.size(), target, offset, how);
}
std::error_code get_and_accumulate(windows::State& state, ConstSegment from, Segment before,
                                   int target, std::size_t offset, const Reduction& how) noexcept {
    const bool none = from.empty() && how.function.call == nullptr && how.op == Op::no_op;
    if (from.size() != before.size() && !none) return not_as_long();
    return state.accumulate(none ? nullptr : from.data(), before.data(), before.size(), target,
                            offset, how);
}
std::error_code swap_if_equal(windows::State& state, ConstSegment expected, ConstSegment desired,
                              Segment before, int target, std::size_t offset) noexcept {
    if (expected.size() != desired.size() || expected.size() != before.size()) {
        return not_as_long();
    }
    return state.compare_and_swap(expected.data(), desired.data(), before.data(), before.size(),
                                  target, offset);
}

}  // namespace

Window::Window() noexcept = default;
Window::Window(Window&&) noexcept = default;
Window& Window::operator=(Window&&) noexcept = default;
Window::~Window() = default;
Window::Window(std::unique_ptr<windows::State, Free> state) noexcept : state_(std::move(state)) {}

void Window::Free::operator()(windows::State* state) const noexcept {
    // In a forked child nothing of it is there, and the rank is its parent.
    if (state->is_this_process()) delete state;
}

Window Window::create(Communicator& communicator, Segment memory) {
    return Window(std::unique_ptr<windows::State, Free>(
        new windows::State(communicator, memory, nullptr, memory.size())));
}
Window Window::allocate(Communicator& communicator, Arena& arena, std::size_t bytes) {
    return Window(std::unique_ptr<windows::State, Free>(
        new windows::State(communicator, Segment(), &arena, bytes)));
}

int Window::rank() const noexcept { return state_->rank(); }
int Window::size() const noexcept { return state_->size(); }
Segment Window::memory() const noexcept { return state_->own(); }
std::size_t Window::bytes(int rank) const noexcept { return state_->bytes_of(rank); }

Segment Window::query(int rank, std::error_code& error) noexcept {
    return state_->query(rank, error);
}
Segment Window::query(int rank) {
    std::error_code error;
    const Segment memory = query(rank, error);
    throw_if(error, "onecopy: query a window");
    return memory;
}

void Window::sync() noexcept { os::full_fence(); }

void Window::put(ConstSegment from, int target, std::size_t offset) {
    throw_if(state_->put(from, target, offset), "onecopy: put");
}
void Window::put(ConstSegment from, int target, std::size_t offset,
                 std::error_code& error) noexcept {
    error = state_->put(from, target, offset);
}
void Window::get(Segment into, int target, std::size_t offset) {
    throw_if(state_->get(into, target, offset), "onecopy: get");
}
void Window::get(Segment into, int target, std::size_t offset, std::error_code& error) noexcept {
    error = state_->get(into, target, offset);
}
void Window::put(std::span<const ConstSegment> pieces, int target,
                 std::span<const WindowRun> runs) {
    throw_if(state_->move(pieces, target, runs), "onecopy: put");
}
void Window::put(std::span<const ConstSegment> pieces, int target, std::span<const WindowRun> runs,
                 std::error_code& error) noexcept {
    error = state_->move(pieces, target, runs);
}
void Window::get(std::span<const Segment> pieces, int target, std::span<const WindowRun> runs) {
    throw_if(state_->move(pieces, target, runs), "onecopy: get");
}
void Window::get(std::span<const Segment> pieces, int target, std::span<const WindowRun> runs,
                 std::error_code& error) noexcept {
    error = state_->move(pieces, target, runs);
}

void Window::accumulate(ConstSegment from, int target, std::size_t offset, const Reduction& how) {
    throw_if(accumulate_into(*state_, from, target, offset, how), "onecopy: accumulate");
}
void Window::accumulate(ConstSegment from, int target, std::size_t offset, const Reduction& how,
                        std::error_code& error) noexcept {
    error = accumulate_into(*state_, from, target, offset, how);
}
void Window::get_accumulate(ConstSegment from, Segment before, int target, std::size_t offset,
                            const Reduction& how) {
    throw_if(get_and_accumulate(*state_, from, before, target, offset, how),
             "onecopy: get_accumulate");
}
void Window::get_accumulate(ConstSegment from, Segment before, int target, std::size_t offset,
                            const Reduction& how, std::error_code& error) noexcept {
    error = get_and_accumulate(*state_, from, before, target, offset, how);
}
void Window::compare_and_swap(ConstSegment expected, ConstSegment desired, Segment before,
                              int target, std::size_t offset) {
    throw_if(swap_if_equal(*state_, expected, desired, before, target, offset),
             "onecopy: compare_and_swap");
}
void Window::compare_and_swap(ConstSegment expected, ConstSegment desired, Segment before,
                              int target, std::size_t offset, std::error_code& error) noexcept {
    error = swap_if_equal(*state_, expected, desired, before, target, offset);
}

void Window::fence() { throw_if(state_->fence(), "onecopy: fence"); }
void Window::fence(std::error_code& error) noexcept { error = state_->fence(); }
void Window::lock(LockType type, int target) {
    throw_if(state_->lock(type, target), "onecopy: lock");
}
void Window::lock(LockType type, int target, std::error_code& error) noexcept {
    error = state_->lock(type, target);
}
void Window::unlock(int target) { throw_if(state_->unlock(target), "onecopy: unlock"); }
void Window::unlock(int target, std::error_code& error) noexcept { error = state_->unlock(target); }
void Window::lock_all() { throw_if(state_->lock_all(), "onecopy: lock_all"); }
void Window::lock_all(std::error_code& error) noexcept { error = state_->lock_all(); }
void Window::unlock_all() { throw_if(state_->unlock_all(), "onecopy: unlock_all"); }
void Window::unlock_all(std::error_code& error) noexcept { error = state_->unlock_all(); }
void Window::flush(int target) { throw_if(state_->flush(target), "onecopy: flush"); }
void Window::flush(int target, std::error_code& error) noexcept { error = state_->flush(target); }
void Window::flush_all() { throw_if(state_->flush_all(), "onecopy: flush_all"); }
void Window::flush_all(std::error_code& error) noexcept { error = state_->flush_all(); }
void Window::post(std::span<const int> origins) {
    throw_if(state_->post(origins), "onecopy: post");
}
void Window::post(std::span<const int> origins, std::error_code& error) noexcept {
    error = state_->post(origins);
}
void Window::wait() { throw_if(state_->wait(), "onecopy: wait"); }
void Window::wait(std::error_code& error) noexcept { error = state_->wait(); }
void Window::start(std::span<const int> targets) {
    throw_if(state_->start(targets), "onecopy: start");
}
void Window::start(std::span<const int> targets, std::error_code& error) noexcept {
    error = state_->start(targets);
}
void Window::complete() { throw_if(state_->complete(), "onecopy: complete"); }
void Window::complete(std::error_code& error) noexcept { error = state_->complete(); }

}  // namespace onecopy
