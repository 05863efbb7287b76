#include "model/checker.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "model/fiber.hpp"
#include "model/shared.hpp"
#include "model/trace.hpp"

namespace onecopy::model {
namespace {

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

Checker* checker = nullptr;

/// Without the arguments of a template, which one compiler adds.
std::string_view name_of_function(const Site& site) noexcept {
    const std::string_view name = site.function;
    return name.substr(0, name.find('<'));
}

/// An execution is not longer than that, or the program does not end.
constexpr std::size_t most_events = 400;

Event Checker::event_for(int number, const Wish& wish) const {
    Event event;
    event.thread = number;
    event.order = wish.order;
    event.location = wish.location;
    event.site = wish.site;
    event.put = wish.value;
    switch (wish.kind) {
        case Wish::Kind::store:
            event.op = Op::store;
            event.writes = true;
            break;
        case Wish::Kind::update:
            event.op = Op::update;
            event.writes = true;
            break;
        case Wish::Kind::fence:
            event.op = Op::fence;
            break;
        default:
            break;
    }
    return event;
}

/// Adds the thread's load or update as one that reads from there; -1 if that cannot be.
int Checker::try_read(int number, int position) {
    const Wish& wish = thread(number).wish;
    Event event = event_for(number, wish);
    const Location& here = graph.location(wish.location);
    const std::uint64_t got = graph.event(here.stores[static_cast<std::size_t>(position)]).put;
    if (wish.kind == Wish::Kind::update) {
        switch (wish.how) {
            case Update::add:
                event.put = got + wish.value;
                break;
            case Update::subtract:
                event.put = got - wish.value;
                break;
            case Update::exchange:
                break;
            case Update::compare:
                if (got == wish.expected) break;
                event.op = Op::load;
                event.writes = false;
                event.order = wish.otherwise;
        }
        if (event.writes && graph.is_updated(wish.location, position)) return -1;
    }
    // What reads the newest is ordered before nothing that is there.
    const bool newest = static_cast<std::size_t>(position) + 1 == here.stores.size();
    const int added = graph.add(std::move(event), position);
    if (newest || graph.is_consistent()) return added;
    graph.remove_last();
    return -1;
}

/// Where its load may read from, the newest first: places in modification order.
std::vector<int> Checker::sources(int number) {
    const Thread& one = thread(number);
    const int location = one.wish.location;
    const int lowest = graph.floor(number, location);
    if (one.wish.kind == Wish::Kind::update) note_taken(number);
    std::vector<int> found;
    for (int at = static_cast<int>(graph.location(location).stores.size()); at-- > lowest;) {
        if (graph.location(location).stores[static_cast<std::size_t>(at)] <= one.postponed)
            continue;
        if (try_read(number, at) < 0) continue;
        graph.remove_last();
        found.push_back(at);
    }
    return found;
}

std::size_t Checker::decide(int count) {
    if (depth_ == path_.size()) path_.push_back({0, count, false});
    Decision& decision = path_[depth_];
    if (decision.count != count) {
        std::fputs("model: a program that does not do the same each time\n", stderr);
        std::abort();
    }
    return depth_++;
}

/// A load that was there before, and could have read it, may be postponed until now.
void Checker::note_store(int number) {
    const Event& store = graph.event(number);
    for (const int each : graph.location(store.location).events) {
        const Event& event = graph.event(each);
        if (event.choice < 0 || event.thread == store.thread) continue;
        if (store.seen[static_cast<std::size_t>(event.thread)] >= event.index) continue;
        path_[static_cast<std::size_t>(event.choice)].may_postpone = true;
    }
}

/// It wants to update what another's update has read, and cannot; it could if that came later.
void Checker::note_taken(int number) {
    const Location& here = graph.location(thread(number).wish.location);
    const Clock& seen = graph.seen(number);
    for (const int each : here.stores) {
        const Event& other = graph.event(each);
        if (other.op != Op::update || other.choice < 0 || other.thread == number) continue;
        if (seen[static_cast<std::size_t>(other.thread)] >= other.index) continue;
        path_[static_cast<std::size_t>(other.choice)].may_postpone = true;
    }
}

void Checker::read(int number) {
    Thread& one = thread(number);
    const std::vector<int> found = sources(number);
    const std::size_t at = decide(static_cast<int>(found.size()));
    const int chosen = path_[at].chosen;
    if (chosen == path_[at].count) {
        one.postponed = static_cast<int>(graph.events().size()) - 1;
        return;
    }
    const int added = try_read(number, found[static_cast<std::size_t>(chosen)]);
    graph.set_choice(added, static_cast<int>(at));
    one.postponed = -1;
    one.answer = graph.event(added).got;
    if (graph.event(added).writes) note_store(added);
    resume(number);
}

void Checker::store(int number) {
    Thread& one = thread(number);
    const int location = one.wish.location;
    const int newest = static_cast<int>(graph.location(location).stores.size());
    // Behind all that the thread knows, and not between an update and what it has read.
    std::vector<int> places;
    for (int at = newest; at > graph.floor(number, location); --at) {
        if (graph.is_updated(location, at - 1)) continue;
        if (at == newest) {
            places.push_back(at);
            continue;
        }
        graph.add(event_for(number, one.wish), at);
        if (graph.is_consistent()) places.push_back(at);
        graph.remove_last();
    }
    std::size_t chosen = 0;
    if (places.size() > 1) {
        const std::size_t at = decide(static_cast<int>(places.size()));
        chosen = static_cast<std::size_t>(path_[at].chosen);
    }
    note_store(graph.add(event_for(number, one.wish), places[chosen]));
    resume(number);
}

/// The wake-up that ends its sleep: the first after it lay down; -1: there is none.
int Checker::waker(const Thread& thread) const {
    const Event& down = graph.event(thread.asleep_since);
    for (const int each : graph.location(down.location).stores) {
        const Event& event = graph.event(each);
        if (event.position > down.position && event.got % 2 != event.put % 2) return each;
    }
    return -1;
}

/// Bytes that were written over an atomic object must have been so before it is used again.
void Checker::look_for_plain_bytes(int number) {
    const int location = thread(number).wish.location;
    if (location < 0) return;
    for (const int each : graph.location(location).stores) {
        const Event& event = graph.event(each);
        if (event.plain && !Graph::knows(graph.now(number), event)) {
            race("uses", location, number, event);
        }
    }
}

void Checker::perform(int number) {
    Thread& one = thread(number);
    look_for_plain_bytes(number);
    if (stopped_) return;
    switch (one.wish.kind) {
        case Wish::Kind::load:
        case Wish::Kind::update:
            return read(number);
        case Wish::Kind::store:
            return store(number);
        case Wish::Kind::fence:
            graph.add(event_for(number, one.wish), 0);
            break;
        case Wish::Kind::sleep:
            graph.depend(number, waker(one));
            one.asleep_since = -1;
            break;
        case Wish::Kind::choose:
            one.answer =
                static_cast<std::uint64_t>(path_[decide(static_cast<int>(one.wish.value))].chosen);
            break;
        case Wish::Kind::none:
            break;
    }
    resume(number);
}

/// Who goes on; -1: nobody can.
int Checker::next_thread() {
    for (int i = 1; i <= count_; ++i) {
        const Thread& one = thread(i);
        if (one.state != Thread::State::running) continue;
        const Wish::Kind kind = one.wish.kind;
        if (kind == Wish::Kind::load || kind == Wish::Kind::update) continue;
        if (kind != Wish::Kind::sleep || waker(one) >= 0) return i;
    }
    for (int i = 1; i <= count_; ++i) {
        const Thread& one = thread(i);
        if (one.state != Thread::State::running || one.wish.kind == Wish::Kind::sleep) continue;
        if (one.postponed < 0 || !sources(i).empty()) return i;
    }
    return -1;
}

void Checker::thread_main() {
    Thread& own = checker->thread(checker->running_);
    own.body();
    own.state = Thread::State::done;
    checker->stop_here();
}

void Checker::stop_here() {
    for (;;) ::swapcontext(&thread(running_).fiber.context(), &scheduler_);
}

void Checker::resume(int number) {
    running_ = number;
    ::swapcontext(&scheduler_, &thread(number).fiber.context());
    running_ = 0;
}

std::uint64_t Checker::alone(const Wish& wish) {
    // What it does happens before all threads, or after: it reads the newest.
    if (wish.kind == Wish::Kind::choose) std::abort();
    if (wish.kind == Wish::Kind::fence) return 0;
    const int newest = static_cast<int>(graph.location(wish.location).stores.size());
    threads_[0]->wish = wish;
    if (wish.kind == Wish::Kind::store) {
        graph.add(event_for(0, wish), newest);
        return 0;
    }
    const int added = try_read(0, newest - 1);
    return graph.event(added).got;
}

std::uint64_t Checker::ask(Wish wish) {
    if (running_ == 0) return alone(wish);
    if (stopped_) stop_here();
    Thread& one = thread(running_);
    one.wish = wish;
    if (graph.events().size() > most_events || graph.is_full()) fail("the program does not end");
    ::swapcontext(&one.fiber.context(), &scheduler_);
    return one.answer;
}

void Checker::wait_until(const std::function<bool()>& ready) {
    if (running_ == 0) {
        if (!ready()) fail("before or after all others, nobody comes whom to wait for");
        return;
    }
    Thread& one = thread(running_);
    one.look_began = static_cast<int>(graph.events().size());
    if (ready()) return;
    one.state = Thread::State::waits;
    stop_here();
}

/// Nobody can go on. It is a deadlock if nobody of those who have not ended could come to see more
/// than he has.
void Checker::look_for_deadlock() {
    std::string who;
    for (int i = 1; i <= count_; ++i) {
        const Thread& one = thread(i);
        if (one.state == Thread::State::done) continue;
        who += (who.empty() ? "" : ", ") + one.name;
        if (one.state == Thread::State::running) {
            if (one.wish.kind != Wish::Kind::sleep) {
                cut_ = true;
                return;
            }
            who += " (asleep)";
            continue;
        }
        for (std::size_t e = static_cast<std::size_t>(one.look_began); e < graph.events().size();
             ++e) {
            const Event& event = graph.events()[e];
            if (event.thread != i || event.from < 0 || event.writes) continue;
            const int newest = static_cast<int>(graph.location(event.location).stores.size()) - 1;
            if (event.position < newest) {
                cut_ = true;
                return;
            }
        }
    }
    if (!who.empty()) fail("deadlock: nobody can go on, and not at their end are: " + who);
}

void Checker::run_once(const std::function<void(Execution&)>& program) {
    graph.clear();
    shared.clear();
    names_.clear();
    last = nullptr;
    count_ = 0;
    depth_ = 0;
    cut_ = stopped_ = false;
    early_wakes_ = options_.early_wakes;
    if (threads_.empty()) {
        threads_.push_back(std::make_unique<Thread>());
        threads_[0]->name = "before";
    }
    graph.begin_thread(0);
    Execution execution;
    program(execution);
    for (int i = 1; i <= count_; ++i) {
        graph.begin_thread(i);
        Thread& one = thread(i);
        one.wish = {};
        one.postponed = one.asleep_since = -1;
        one.state = Thread::State::running;
        one.fiber.begin(&thread_main, scheduler_);
    }
    for (int i = 1; i <= count_ && !stopped_; ++i) resume(i);  // to what it wants first
    while (!stopped_) {
        const int next = next_thread();
        if (next < 0) break;
        perform(next);
    }
    if (!stopped_) look_for_deadlock();
    if (!stopped_ && !cut_ && last) {
        graph.end_threads();
        last();
    }
    ++(cut_ ? result_.cut : result_.executions);
}

/// Turns to what was not tried yet; false: everything was.
bool Checker::next_path() {
    while (!path_.empty()) {
        Decision& last_one = path_.back();
        if (last_one.chosen + 1 < last_one.count + (last_one.may_postpone ? 1 : 0)) {
            ++last_one.chosen;
            return true;
        }
        path_.pop_back();
    }
    return false;
}

Result Checker::run(const std::function<void(Execution&)>& program) {
    do {
        run_once(program);
        if (result_.executions + result_.cut >= options_.max_executions && !result_.failed) {
            fail("more executions than that: too large a model");
        }
    } while (!result_.failed && next_path());
    return std::move(result_);
}

void Checker::fail(std::string why) {
    if (!stopped_ || result_.why.empty()) {
        result_.failed = true;
        result_.why = std::move(why);
        std::vector<std::string> thread_names;
        for (int i = 0; i <= count_; ++i) thread_names.push_back(thread(i).name);
        result_.trace = trace_of(graph, thread_names);
    }
    stopped_ = true;
    if (running_ != 0) stop_here();
}

void Checker::add_thread(std::string name, std::function<void()> body) {
    const auto number = static_cast<std::size_t>(++count_);
    if (number >= max_threads) std::abort();
    if (threads_.size() <= number) threads_.push_back(std::make_unique<Thread>());
    threads_[number]->name = std::move(name);
    threads_[number]->body = std::move(body);
}

void Checker::name_it(const void* object, std::string text) {
    names_.emplace_back(object, std::move(text));
}

int Checker::location_of(Word word) {
    const Shared::Range range = shared.range(word.address, 1);
    if (range.begin == range.end) {
        std::fputs("model: an atomic object that was not made by Execution::make\n", stderr);
        std::abort();
    }
    int& location = shared.word(range.begin).location;
    if (location < 0) {
        location = graph.add_location(word.address, word.first);
    }
    return location;
}

const Mutation* Checker::mutation(std::string_view op, int location, std::memory_order order,
                                  Site site) {
    if (running_ == 0) return nullptr;
    const std::string_view where =
        location < 0 ? std::string_view() : std::string_view(graph.location(location).name);
    const auto same = [&](const Use& use) {
        return use.site.line == site.line && use.order == order && use.op == op &&
               use.location == where && std::string_view(use.site.file) == site.file;
    };
    if (order != std::memory_order_relaxed &&
        std::none_of(result_.uses.begin(), result_.uses.end(), same)) {
        result_.uses.push_back({site, std::string(op), std::string(where), order});
    }
    for (const Mutation& each : options_.mutations) {
        if ((each.function.empty() || each.function == name_of_function(site)) &&
            (each.file.empty() || each.file == site.file) &&
            (each.location.empty() || each.location == where) &&
            (each.op.empty() || each.op == op) && (each.line == 0 || each.line == site.line)) {
            ++result_.mutated;
            return &each;
        }
    }
    return nullptr;
}

void Checker::race(const char* what, int location, int number, const Event& other) {
    std::string where = location >= 0 ? name_of(graph, location) : "plain data";
    fail("data race: " + thread(number).name + " " + what + " " + where + ", and " +
         thread(other.thread).name + " has used it; neither happens before the other");
}

void Checker::use_plain(const void* address, std::size_t bytes, bool write) {
    if (running_ == 0) return;  // before or after all others
    const Shared::Range range = shared.range(address, bytes);
    const Clock& now = graph.now(running_);
    const auto own = static_cast<std::size_t>(running_);
    const auto when = static_cast<std::uint16_t>(graph.count(running_));
    for (std::size_t i = range.begin; i < range.end; ++i) {
        Shared::Word& word = shared.word(i);
        if (word.location >= 0) {
            for (const int each : graph.location(word.location).events) {
                const Event& event = graph.event(each);
                if (Graph::knows(now, event) || (!write && !event.writes)) continue;
                race(write ? "writes over" : "reads as bytes", word.location, running_, event);
            }
        }
        for (std::size_t other = 1; other < max_threads; ++other) {
            if (other == own) continue;
            const bool after_write = word.written_by == other && now[other] <= word.written_at;
            const bool after_read =
                write && word.read_at[other] != 0 && now[other] < word.read_at[other];
            if (!after_write && !after_read) continue;
            std::string text = "plain data";
            for (const auto& [object, called] : names_) {
                if (object == address) text = called;
            }
            fail("data race: " + thread(running_).name + (write ? " writes " : " reads ") + text +
                 ", which " + thread(static_cast<int>(other)).name +
                 (after_write ? " has written" : " has read") +
                 "; neither happens before the other");
        }
        if (write) {
            word.written_by = static_cast<std::uint8_t>(own);
            word.written_at = when;
        } else {
            word.read_at[own] = static_cast<std::uint16_t>(when + 1);
        }
    }
}

void Checker::overwrite(const void* address, std::size_t bytes) {
    const Shared::Range range = shared.range(address, bytes);
    for (std::size_t i = range.begin; i < range.end; ++i) {
        const int location = shared.word(i).location;
        if (location < 0) continue;
        Event event;
        event.thread = running_;
        event.op = Op::store;
        event.writes = event.plain = true;
        event.location = location;
        std::memcpy(&event.put, shared.address(i), sizeof event.put);
        graph.add(std::move(event), static_cast<int>(graph.location(location).stores.size()));
    }
}

/// Who sleeps on that word: as the kernel's list, under a lock.
int Checker::sleepers_of(int location) {
    const Shared::Range range = shared.range(graph.location(location).address, 1);
    int& sleepers = shared.word(range.begin).sleepers;
    if (sleepers < 0) {
        sleepers = graph.add_location(nullptr, 0);
        graph.location(sleepers).name = "sleepers on " + name_of(graph, location);
    }
    return sleepers;
}

}  // namespace

Result explore(const std::function<void(Execution&)>& program, const Options& options) {
    Checker one(options);
    checker = &one;
    Result result = one.run(program);
    checker = nullptr;
    return result;
}

void* Execution::allocate(std::size_t bytes, std::size_t alignment) {
    return checker->shared.allocate(bytes, alignment);
}
void Execution::name_it(const void* object, std::string text) {
    checker->name_it(object, std::move(text));
}
void Execution::name_location(Word word, std::string text) {
    checker->graph.location(checker->location_of(word)).name = std::move(text);
}
void Execution::thread(std::string name, std::function<void()> body) {
    checker->add_thread(std::move(name), std::move(body));
}
void Execution::finally(std::function<void()> body) { checker->last = std::move(body); }

void check(bool condition, const char* what) {
    if (!condition) checker->fail(std::string("wrong: ") + what);
}
void wait_until(const std::function<bool()>& ready) { checker->wait_until(ready); }
int choose(int count) {
    Wish wish;
    wish.kind = Wish::Kind::choose;
    wish.value = static_cast<std::uint64_t>(count);
    return static_cast<int>(checker->ask(wish));
}
void note_read(const void* address, std::size_t bytes) {
    if (checker != nullptr) checker->use_plain(address, bytes, false);
}
void note_write(void* address, std::size_t bytes) {
    if (checker != nullptr) checker->use_plain(address, bytes, true);
}
void note_written(void* address, std::size_t bytes) { checker->overwrite(address, bytes); }

std::uint64_t load(Word word, std::memory_order order, Site site) {
    Wish wish;
    wish.kind = Wish::Kind::load;
    wish.location = checker->location_of(word);
    wish.order = order;
    wish.site = site;
    const Mutation* const mutation = checker->mutation("load", wish.location, order, site);
    if (mutation != nullptr && mutation->kind == Mutation::Kind::weaken) {
        wish.order = mutation->order;
    }
    return checker->ask(wish);
}

void store(Word word, std::uint64_t value, std::memory_order order, Site site) {
    Wish wish;
    wish.kind = Wish::Kind::store;
    wish.location = checker->location_of(word);
    wish.order = order;
    wish.value = value;
    wish.site = site;
    if (const Mutation* const mutation = checker->mutation("store", wish.location, order, site)) {
        if (mutation->kind == Mutation::Kind::skip) return;
        if (mutation->kind == Mutation::Kind::weaken) wish.order = mutation->order;
        if (mutation->change != nullptr) wish.value = mutation->change(value);
    }
    checker->ask(wish);
}

std::uint64_t update(Word word, Update how, std::uint64_t value, std::uint64_t expected,
                     std::memory_order order, std::memory_order otherwise, Site site) {
    Wish wish;
    wish.kind = Wish::Kind::update;
    wish.location = checker->location_of(word);
    wish.order = order;
    wish.otherwise = otherwise;
    wish.how = how;
    wish.value = value;
    wish.expected = expected;
    wish.site = site;
    const Mutation* const mutation = checker->mutation("update", wish.location, order, site);
    if (mutation == nullptr) return checker->ask(wish);
    if (mutation->kind == Mutation::Kind::weaken) {
        wish.order = mutation->order;
        if (!acquires(wish.order)) wish.otherwise = std::memory_order_relaxed;
    }
    if (mutation->change != nullptr) wish.value = mutation->change(value);
    if (mutation->kind != Mutation::Kind::skip && mutation->kind != Mutation::Kind::split) {
        return checker->ask(wish);
    }
    Wish half = wish;
    half.kind = Wish::Kind::load;
    const std::uint64_t got = checker->ask(half);
    if (mutation->kind == Mutation::Kind::skip) return got;
    if (how == Update::compare && got != expected) return got;
    half.kind = Wish::Kind::store;
    half.value = how == Update::add ? got + value : how == Update::subtract ? got - value : value;
    checker->ask(half);
    return got;
}

void fence(std::memory_order order, Site site) {
    Wish wish;
    wish.kind = Wish::Kind::fence;
    wish.order = order;
    wish.site = site;
    if (const Mutation* const mutation = checker->mutation("fence", -1, order, site)) {
        if (mutation->kind == Mutation::Kind::skip) return;
        wish.order = mutation->order;
    }
    checker->ask(wish);
}

void futex_wait(Word word, std::uint64_t seen, Site site) {
    const int location = checker->location_of(word);
    if (checker->mutation("wait", location, std::memory_order_relaxed, site) != nullptr) return;
    if (checker->may_wake_early() && choose(2) == 1 && checker->wake_early()) return;
    Wish wish;
    wish.kind = Wish::Kind::update;
    wish.location = checker->sleepers_of(location);
    wish.order = std::memory_order_acquire;
    wish.value = 2;
    wish.site = site;
    checker->ask(wish);
    const int down = checker->last_event();
    wish.kind = Wish::Kind::load;
    wish.location = location;
    wish.order = std::memory_order_relaxed;
    if (checker->ask(wish) != seen) return;
    checker->sleep_since(down);
    wish.kind = Wish::Kind::sleep;
    checker->ask(wish);
}

void futex_wake(Word word, Site site) {
    const int location = checker->location_of(word);
    if (checker->mutation("wake", location, std::memory_order_relaxed, site) != nullptr) return;
    Wish wish;
    wish.kind = Wish::Kind::update;
    wish.location = checker->sleepers_of(location);
    wish.order = std::memory_order_release;
    wish.value = 1;
    wish.site = site;
    checker->ask(wish);
}

}  // namespace onecopy::model
