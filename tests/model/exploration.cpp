#include "model/exploration.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "model/trace.hpp"

namespace onecopy::model {
namespace {

/// An execution is not longer than that, or the program does not end.
constexpr std::size_t most_events = 400;

}  // namespace

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

}  // namespace onecopy::model
