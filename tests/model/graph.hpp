// What has happened so far in one execution: its atomic operations, which store each load reads
// from, and the order of the stores of each location. From these follows everything else that the
// C++20 memory model speaks of: what happens before what, and whether there is a total order S of
// the seq_cst operations.
//
// Source: ISO C++20, [intro.races], [atomics.order], [atomics.fences]; and "Repairing sequential
// consistency in C/C++11" (Lahav and others, PLDI 2017) for what is left out: as there, no load
// reads from a store that depends on it.
#pragma once

#include <array>
#include <atomic>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace onecopy::model {

/// Threads, and the one that prepares what they share, which is number 0.
inline constexpr int max_threads = 6;

/// By thread: how many of its operations are known.
using Clock = std::array<std::uint16_t, max_threads>;
void join(Clock& clock, const Clock& other) noexcept;

/// Where an operation stands in the source.
struct Site {
    const char* file = "";
    const char* function = "";
    int line = 0;
    static constexpr Site here(const char* file = __builtin_FILE(),
                               const char* function = __builtin_FUNCTION(),
                               int line = __builtin_LINE()) noexcept {
        return {file, function, line};
    }
};

enum class Op : std::uint8_t { load, store, update, fence };

constexpr bool acquires(std::memory_order order) noexcept {
    return order != std::memory_order_relaxed && order != std::memory_order_release;
}
constexpr bool releases(std::memory_order order) noexcept {
    return order == std::memory_order_release || order == std::memory_order_acq_rel ||
           order == std::memory_order_seq_cst;
}

/// Of the seq_cst operations of an execution, a bit each.
inline constexpr std::size_t max_seq_cst = 192;
using SeqCstSet = std::bitset<max_seq_cst>;

struct Event {
    int thread = 0;
    int index = 0;  ///< among those of its thread, counted from 1
    Op op = Op::load;
    std::memory_order order = std::memory_order_relaxed;
    int location = -1;
    Site site{};
    std::uint64_t got = 0;  ///< of a load or an update
    std::uint64_t put = 0;  ///< of a store or an update
    int from = -1;          ///< whose store it reads
    int position = 0;       ///< of its store, or of what it reads, among those of the location
    bool writes = false;
    bool plain = false;       ///< bytes that were written over the location
    int choice = -1;          ///< the decision that chose what it reads
    Clock before{}, after{};  ///< what happens before it, without and with what it acquires itself
    Clock message{};          ///< what happens before who acquires its store
    Clock seen{};             ///< what it depends on by any chain of reading
    int number = -1;          ///< among the seq_cst operations
    SeqCstSet fences_before, fences_after;  ///< seq_cst fences in order of happens-before
};

struct Location {
    const void* address = nullptr;
    std::string name;
    std::vector<int> stores;  ///< in modification order
    std::vector<int> events;  ///< all that read or write it
};

class Graph {
public:
    void clear();
    /// A location whose first value was there before everything.
    int add_location(const void* address, std::uint64_t value);
    /// A thread that begins: it knows what was prepared.
    void begin_thread(int thread);

    [[nodiscard]] const std::vector<Event>& events() const noexcept { return events_; }
    [[nodiscard]] const Event& event(int number) const { return events_[at(number)]; }
    [[nodiscard]] Location& location(int number) { return locations_[at(number)]; }
    [[nodiscard]] const Location& location(int number) const { return locations_[at(number)]; }
    [[nodiscard]] const Clock& now(int thread) const { return threads_[at(thread)].now; }
    [[nodiscard]] int count(int thread) const { return threads_[at(thread)].count; }
    [[nodiscard]] const Clock& seen(int thread) const { return threads_[at(thread)].seen; }
    [[nodiscard]] static bool knows(const Clock& clock, const Event& event) noexcept {
        return clock[at(event.thread)] >= event.index;
    }

    /// The lowest place in modification order that the thread may still read from.
    [[nodiscard]] int floor(int thread, int location) const;
    /// Whether an update reads from that store, so that nothing comes between the two.
    [[nodiscard]] bool is_updated(int location, int position) const;

    /// Adds `event` (its thread, op, order, location, site and what it stores). A load or an update
    /// reads from the store at `position`, an update stores behind it; a store takes `position`.
    int add(Event event, int position);
    /// No room for one more seq_cst operation.
    [[nodiscard]] bool is_full() const noexcept { return seq_cst_.size() == max_seq_cst; }
    /// Takes back the last one.
    void remove_last();
    /// Whether the seq_cst operations have a total order as C++20 wants it.
    [[nodiscard]] bool is_consistent() const;
    /// `thread` goes on only because of that one.
    void depend(int thread, int event);
    void set_choice(int event, int choice) { events_[at(event)].choice = choice; }
    /// All have ended: thread 0 knows what they did.
    void end_threads();

private:
    static std::size_t at(int number) noexcept { return static_cast<std::size_t>(number); }
    struct Known {
        int count = 0;
        Clock now{};
        Clock acquirable{};  ///< read by relaxed loads: an acquire fence would know it
        Clock released{};    ///< known at the last release fence
        Clock seen{};
    };
    void insert(int location, int number, int position);
    void number_it(Event& event, int id);

    std::vector<Event> events_;
    std::vector<Location> locations_;
    std::array<Known, max_threads> threads_;
    Known before_last_;
    std::vector<int> seq_cst_;                // events
    std::vector<SeqCstSet> strictly_before_;  // by seq_cst number: strongly happens before it
};

}  // namespace onecopy::model
