#include "onecopy/window.hpp"

#include <utility>

#include "os/fence.hpp"
#include "windows/state.hpp"

namespace onecopy {
namespace {

void check(const std::error_code& error, const char* what) {
    if (error) throw std::system_error(error, what);
}

std::error_code not_as_long() noexcept { return std::make_error_code(std::errc::invalid_argument); }

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
    check(error, "onecopy: query a window");
    return memory;
}

void Window::get_accumulate(ConstSegment from, Segment before, int target, std::size_t offset,
                            const Reduction& how, std::error_code& error) noexcept {
    const bool none = from.empty() && how.function.call == nullptr && how.op == Op::no_op;
    error = from.size() == before.size() || none
                ? state_->accumulate(none ? nullptr : from.data(), before.data(), before.size(),
                                     target, offset, how)
                : not_as_long();
}
void Window::compare_and_swap(ConstSegment expected, ConstSegment desired, Segment before,
                              int target, std::size_t offset, std::error_code& error) noexcept {
    const bool equal = expected.size() == desired.size() && expected.size() == before.size();
    error = equal ? state_->compare_and_swap(expected.data(), desired.data(), before.data(),
                                             before.size(), target, offset)
                  : not_as_long();
}
void Window::accumulate(ConstSegment from, int target, std::size_t offset, const Reduction& how,
                        std::error_code& error) noexcept {
    error = state_->accumulate(from.data(), nullptr, from.size(), target, offset, how);
}

void Window::sync() noexcept { os::full_fence(); }

void Window::put(ConstSegment from, int target, std::size_t offset,
                 std::error_code& error) noexcept {
    error = state_->put(from, target, offset);
}
void Window::put(ConstSegment from, int target, std::size_t offset) {
    std::error_code error;
    put(from, target, offset, error);
    check(error, "onecopy: put");
}
void Window::get(Segment into, int target, std::size_t offset, std::error_code& error) noexcept {
    error = state_->get(into, target, offset);
}
void Window::get(Segment into, int target, std::size_t offset) {
    std::error_code error;
    get(into, target, offset, error);
    check(error, "onecopy: get");
}
void Window::put(std::span<const ConstSegment> pieces, int target, std::span<const WindowRun> runs,
                 std::error_code& error) noexcept {
    error = state_->move(pieces, target, runs);
}
void Window::put(std::span<const ConstSegment> pieces, int target,
                 std::span<const WindowRun> runs) {
    std::error_code error;
    put(pieces, target, runs, error);
    check(error, "onecopy: put");
}
void Window::get(std::span<const Segment> pieces, int target, std::span<const WindowRun> runs,
                 std::error_code& error) noexcept {
    error = state_->move(pieces, target, runs);
}
void Window::get(std::span<const Segment> pieces, int target, std::span<const WindowRun> runs) {
    std::error_code error;
    get(pieces, target, runs, error);
    check(error, "onecopy: get");
}
void Window::accumulate(ConstSegment from, int target, std::size_t offset, const Reduction& how) {
    std::error_code error;
    accumulate(from, target, offset, how, error);
    check(error, "onecopy: accumulate");
}
void Window::get_accumulate(ConstSegment from, Segment before, int target, std::size_t offset,
                            const Reduction& how) {
    std::error_code error;
    get_accumulate(from, before, target, offset, how, error);
    check(error, "onecopy: get_accumulate");
}
void Window::compare_and_swap(ConstSegment expected, ConstSegment desired, Segment before,
                              int target, std::size_t offset) {
    std::error_code error;
    compare_and_swap(expected, desired, before, target, offset, error);
    check(error, "onecopy: compare_and_swap");
}
void Window::fence(std::error_code& error) noexcept { error = state_->fence(); }
void Window::fence() {
    std::error_code error;
    fence(error);
    check(error, "onecopy: fence");
}
void Window::lock(LockType type, int target, std::error_code& error) noexcept {
    error = state_->lock(type, target);
}
void Window::lock(LockType type, int target) {
    std::error_code error;
    lock(type, target, error);
    check(error, "onecopy: lock");
}
void Window::unlock(int target, std::error_code& error) noexcept { error = state_->unlock(target); }
void Window::unlock(int target) {
    std::error_code error;
    unlock(target, error);
    check(error, "onecopy: unlock");
}
void Window::lock_all(std::error_code& error) noexcept { error = state_->lock_all(); }
void Window::lock_all() {
    std::error_code error;
    lock_all(error);
    check(error, "onecopy: lock_all");
}
void Window::unlock_all(std::error_code& error) noexcept { error = state_->unlock_all(); }
void Window::unlock_all() {
    std::error_code error;
    unlock_all(error);
    check(error, "onecopy: unlock_all");
}
void Window::flush(int target, std::error_code& error) noexcept { error = state_->flush(target); }
void Window::flush(int target) {
    std::error_code error;
    flush(target, error);
    check(error, "onecopy: flush");
}
void Window::flush_all(std::error_code& error) noexcept { error = state_->flush_all(); }
void Window::flush_all() {
    std::error_code error;
    flush_all(error);
    check(error, "onecopy: flush_all");
}
void Window::post(std::span<const int> origins, std::error_code& error) noexcept {
    error = state_->post(origins);
}
void Window::post(std::span<const int> origins) {
    std::error_code error;
    post(origins, error);
    check(error, "onecopy: post");
}
void Window::wait(std::error_code& error) noexcept { error = state_->wait(); }
void Window::wait() {
    std::error_code error;
    wait(error);
    check(error, "onecopy: wait");
}
void Window::start(std::span<const int> targets, std::error_code& error) noexcept {
    error = state_->start(targets);
}
void Window::start(std::span<const int> targets) {
    std::error_code error;
    start(targets, error);
    check(error, "onecopy: start");
}
void Window::complete(std::error_code& error) noexcept { error = state_->complete(); }
void Window::complete() {
    std::error_code error;
    complete(error);
    check(error, "onecopy: complete");
}

}  // namespace onecopy
