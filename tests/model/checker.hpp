// Runs a small concurrent program in every way that the C++20 memory model allows: every order of
// its threads that makes a difference, and every store that each load may read.
//
// Threads are fibers; each atomic operation (atomic.hpp) hands control to the checker, which
// decides what comes next. An execution is a graph (graph.hpp): two schedules that give the same
// graph are the same execution, and only one of them is run. Operations that read nothing are done
// as soon as a thread comes to them, since no other can tell when. A load is either done at once,
// once for each store that is there and that it may read, or *postponed* until another thread has
// stored something new, which it then reads (or is postponed again). So each graph is come by in
// one way only: what a load of it reads was there, or was not. It is postponed only if in some way
// of going on another thread did store something there, not because of this load.
//
// Whoever waits says so (wait_until), and is not run round after round: if it does not find what it
// waits for, it stays where it is, and if all others have ended or wait as well, and all that it
// read was the last there was, that is a deadlock. Sleeping is a futex; one that nobody wakes is a
// lost wake-up, which here means a deadlock too, as there is no time.
//
// Plain data that threads share (atomic.hpp, Plain and the calls below) are checked for races: two
// accesses, one of them a write, neither of which happens before the other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/graph.hpp"

namespace onecopy::model {

/// Something to be changed about the program, to see whether the checker finds that. It applies
/// where all that is not empty agrees.
struct Mutation {
    enum class Kind : std::uint8_t {
        weaken,  ///< the operation has the order `order` instead
        skip,    ///< it is left out (an update: only its load is done; of a futex call: all)
        split,   ///< an update: first its load, then its store, and others between them
        value    ///< it stores `change(value)`
    };
    Kind kind = Kind::weaken;
    std::string_view function{};  ///< in which it stands, in the source
    std::string_view location{};  ///< what it is done to
    std::string_view op{};        ///< load, store, update, fence, wait, wake
    std::memory_order order = std::memory_order_relaxed;
    std::uint64_t (*change)(std::uint64_t) = nullptr;
    std::string_view file{};  ///< of the source
    int line = 0;
};

struct Options {
    std::vector<Mutation> mutations;
    /// So often in an execution a sleeper may wake up for no reason.
    int early_wakes = 0;
    /// More than that is a failure: the program does not end, or the model is too large.
    std::uint64_t max_executions = 20'000'000;
};

/// An operation of the source that was done with an order stronger than relaxed.
struct Use {
    Site site;
    std::string op;
    std::string location;
    std::memory_order order;
};

struct Result {
    bool failed = false;
    std::string why;               ///< then
    std::string trace;             ///< then: what was done, in order
    std::uint64_t executions = 0;  ///< that came to their end
    std::uint64_t cut = 0;  ///< given up: a load waited for a store that does not come in this way
    std::uint64_t mutated = 0;  ///< operations to which a mutation was applied
    std::vector<Use> uses;
};

/// An atomic object: where it lies, and what it held when the execution began.
struct Word {
    const void* address;
    std::uint64_t first;
};

/// One run of the program.
class Execution {
public:
    /// Memory that the threads share, zero at first. All of it is given back when the run is over,
    /// without destructors.
    template <class T, class... Arguments>
    T& make(Arguments&&... arguments) {
        return *new (allocate(sizeof(T), alignof(T))) T{std::forward<Arguments>(arguments)...};
    }
    /// What an atomic object is called in a trace and by mutations, or plain data in a message.
    template <class Object>
    void name(const Object& object, std::string text) {
        if constexpr (requires { object.word(); }) {
            name_location(object.word(), std::move(text));
        } else {
            name_it(&object, std::move(text));
        }
    }
    /// Begins when all is prepared.
    void thread(std::string name, std::function<void()> body);
    /// Runs when all threads have ended, and sees all they did.
    void finally(std::function<void()> body);

private:
    static void* allocate(std::size_t bytes, std::size_t alignment);
    static void name_it(const void* object, std::string text);
    static void name_location(Word word, std::string text);
};

/// Calls `program` for each execution: it makes what is shared and the threads. It must do the same
/// each time.
Result explore(const std::function<void(Execution&)>& program, const Options& options = {});

// For the threads of a program:

/// What must hold.
void check(bool condition, const char* what);
/// Goes on when `ready()` is true. It must leave nothing changed that others see while it is not.
void wait_until(const std::function<bool()>& ready);
/// One of 0 to count - 1: all are tried.
int choose(int count);
/// Accesses to plain data that more than one thread sees.
void note_read(const void* address, std::size_t bytes);
void note_write(void* address, std::size_t bytes);
/// After note_write() and the write itself: where atomic objects were in these bytes, they now hold
/// what was written.
void note_written(void* address, std::size_t bytes);

// What atomic.hpp stands on:

enum class Update : std::uint8_t { add, subtract, exchange, compare };
std::uint64_t load(Word word, std::memory_order order, Site site);
void store(Word word, std::uint64_t value, std::memory_order order, Site site);
/// Returns what was there. `compare`: stores `value` if that was `expected`; if not, it is a load
/// with the order `otherwise`.
std::uint64_t update(Word word, Update how, std::uint64_t value, std::uint64_t expected,
                     std::memory_order order, std::memory_order otherwise, Site site);
void fence(std::memory_order order, Site site);
void futex_wait(Word word, std::uint64_t seen, Site site);
void futex_wake(Word word, Site site);

}  // namespace onecopy::model
