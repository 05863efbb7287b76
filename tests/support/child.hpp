// Other processes for tests: forked, told what to do, and gone when the test ends.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stdexcept>
#include <type_traits>

namespace onecopy::test {

/// How long a test waits for an event that must come. No test measures time by it.
inline constexpr int deadlock_guard_ms = 60000;

/// What a job gets: numbers, the only thing that means the same on both sides of a socket.
/// Addresses of things made before the fork are valid numbers too.
using Words = std::array<std::uint64_t, 6>;
using Job = std::int64_t (*)(const Words&);

/// A word that was a size, or that with the next one was a run of bytes.
inline std::size_t size_in(const Words& words, std::size_t index) noexcept {
    return static_cast<std::size_t>(words[index]);
}
inline std::span<std::byte> bytes_in(const Words& words, std::size_t index) noexcept {
    return {reinterpret_cast<std::byte*>(static_cast<std::uintptr_t>(words[index])),
            size_in(words, index + 1)};
}

/// A forked process that sleeps until it is given jobs, one at a time.
///
/// It has copies of all that existed when it was made, at the same addresses. It is SIGKILLed and
/// reaped by the destructor, and killed by the kernel when the thread that made it ends: nothing is
/// ever left over. Its jobs must not return by exceptions, and must not use gtest's assertions.
class Child {
public:
    /// `pid`: the number it must have (needs CAP_SYS_ADMIN), 0 for any.
    /// Throws std::runtime_error if it cannot be made.
    explicit Child(pid_t pid = 0);
    ~Child();
    Child(Child&& other) noexcept;
    Child& operator=(Child&&) = delete;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

    /// Runs `job` there and returns its answer. `job`: a captureless lambda that takes const Words&
    /// and returns a number. Throws std::runtime_error if the child dies or never answers.
    template <class... Number>
    std::int64_t run(Job job, Number... numbers) {
        start(job, numbers...);
        return finish();
    }

    /// As run(), in two steps: the caller goes on while the child works.
    template <class... Number>
    void start(Job job, Number... numbers) {
        static_assert(sizeof...(Number) <= std::tuple_size_v<Words>);
        send(job, Words{word(numbers)...});
    }
    std::int64_t finish();

    void signal(int number) const;
    /// SIGKILL; returns once it is a zombie. The destructor reaps it.
    void kill() const;
    /// Waits until it is a zombie (it was killed by somebody, or ends by a job).
    void wait_for_end() const;
    /// kill(), and takes its number away. Harmless when done before.
    void reap() noexcept;

    /// What a test keeps for the life of the child.
    std::shared_ptr<void> kept;

private:
    template <class Number>
    static std::uint64_t word(Number number) noexcept {
        if constexpr (std::is_pointer_v<Number>) {
            return reinterpret_cast<std::uintptr_t>(number);
        } else {
            return static_cast<std::uint64_t>(number);
        }
    }
    void send(Job job, const Words& words) const;

    pid_t pid_ = -1;
    int socket_ = -1;
};

/// Runs `body` in a forked process and returns what it returned, `bytes` bytes of it, in `result`.
/// Throws std::runtime_error if the process died, threw, or never answered.
void run_forked(const std::function<void()>& body, void* result, std::size_t bytes);

/// Runs `body` in a process of its own, which may become somebody else on the way, and returns its
/// result: a plain struct, number or the like. Captures are fine: the process is a copy of this.
template <class Body>
auto forked(Body body) {
    using Result = std::invoke_result_t<Body>;
    static_assert(std::is_trivially_copyable_v<Result>);
    Result result{};
    run_forked([&] { result = body(); }, &result, sizeof result);
    return result;
}

/// For a job: makes another process or thread in the child's memory, by clone(2) with CLONE_VM and
/// `flags`, which sleeps for ever. Its number, or -1.
std::int64_t clone_with_memory(int flags) noexcept;

/// Another process in a child's memory (clone with CLONE_VM). SIGKILLed at the end.
class Relative {
public:
    /// Throws std::runtime_error if it cannot be made.
    explicit Relative(Child& child);
    ~Relative();
    Relative(const Relative&) = delete;
    Relative& operator=(const Relative&) = delete;
    [[nodiscard]] pid_t pid() const noexcept { return pid_; }

private:
    pid_t pid_;
};

/// Sleeps. Only for letting something else go on; nothing may depend on how long it is.
void nap(int milliseconds) noexcept;

/// Asks `condition` again and again; false if it never came true under the deadlock guard.
bool eventually(const std::function<bool()>& condition);

}  // namespace onecopy::test
