// The checker at work: the decisions of one execution after the other (checker.hpp says which).
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/checker.hpp"
#include "model/fiber.hpp"
#include "model/graph.hpp"
#include "model/shared.hpp"

namespace onecopy::model {

/// What a thread wants to do next.
struct Wish {
    enum class Kind : std::uint8_t { none, load, store, update, fence, sleep, choose };
    Kind kind = Kind::none;
    int location = -1;
    std::memory_order order{}, otherwise{};
    Update how{};
    std::uint64_t value = 0, expected = 0;
    Site site{};
};

struct Thread {
    std::string name;
    std::function<void()> body;
    Fiber fiber;
    Wish wish;
    std::uint64_t answer = 0;
    int postponed = -1;     ///< reads only from stores after this event; -1: from any
    int asleep_since = -1;  ///< the event by which it went to sleep
    enum class State : std::uint8_t { running, waits, done } state = State::done;
    int look_began = 0;  ///< wait_until: number of events before it looked
};

/// One that was made in this execution. Of a load: which store it reads, and after these, if it
/// came to that, to be postponed.
struct Decision {
    int chosen = 0;
    int count = 0;
    bool may_postpone = false;
};

class Checker {
public:
    explicit Checker(const Options& options) : options_(options) {}

    Result run(const std::function<void(Execution&)>& program);

    // For the running thread:
    std::uint64_t ask(Wish wish);
    int location_of(Word word);
    const Mutation* mutation(std::string_view op, int location, std::memory_order order, Site site);
    void fail(std::string why);
    [[noreturn]] void stop_here();
    void use_plain(const void* address, std::size_t bytes, bool write);
    void overwrite(const void* address, std::size_t bytes);
    int sleepers_of(int location);
    [[nodiscard]] int last_event() const { return static_cast<int>(graph.events().size()) - 1; }
    void sleep_since(int event) { thread(running_).asleep_since = event; }
    void wait_until(const std::function<bool()>& ready);
    bool wake_early() noexcept { return early_wakes_-- > 0; }
    bool may_wake_early() const noexcept { return early_wakes_ > 0 && running_ != 0; }

    Shared shared;
    Graph graph;
    std::function<void()> last;

    void add_thread(std::string name, std::function<void()> body);
    void name_it(const void* object, std::string text);

private:
    void run_once(const std::function<void(Execution&)>& program);
    static void thread_main();
    void resume(int thread);
    int next_thread();
    void perform(int thread);
    void read(int thread);
    void store(int thread);
    std::uint64_t alone(const Wish& wish);  // of the one that prepares
    Event event_for(int thread, const Wish& wish) const;
    int try_read(int thread, int position);
    std::vector<int> sources(int thread);
    std::size_t decide(int count);
    void note_store(int number);
    void look_for_plain_bytes(int number);
    void note_taken(int number);
    int waker(const Thread& thread) const;
    bool next_path();
    void look_for_deadlock();
    void race(const char* what, int location, int thread, const Event& other);

    Thread& thread(int number) { return *threads_[static_cast<std::size_t>(number)]; }

    const Options& options_;
    Result result_;
    std::vector<std::unique_ptr<Thread>> threads_;
    int count_ = 0;
    int running_ = 0;
    ucontext_t scheduler_{};
    std::vector<Decision> path_;
    std::size_t depth_ = 0;
    bool cut_ = false;
    bool stopped_ = false;
    int early_wakes_ = 0;
    std::vector<std::pair<const void*, std::string>> names_;
};

/// The one that is at work; one at a time.
inline Checker* checker = nullptr;

}  // namespace onecopy::model
