#include "model/graph.hpp"

#include <algorithm>
#include <cstdlib>

namespace onecopy::model {

void join(Clock& clock, const Clock& other) noexcept {
    for (std::size_t i = 0; i < clock.size(); ++i) clock[i] = std::max(clock[i], other[i]);
}

void Graph::clear() {
    events_.clear();
    locations_.clear();
    threads_.fill({});
    seq_cst_.clear();
    strictly_before_.clear();
}

int Graph::add_location(const void* address, std::uint64_t value) {
    const int number = static_cast<int>(locations_.size());
    const int first = static_cast<int>(events_.size());
    Event event;
    event.op = Op::store;
    event.location = number;
    event.put = value;
    event.writes = true;
    events_.push_back(event);  // index 0 of thread 0: known to all
    locations_.push_back({address, {}, {first}, {first}});
    return number;
}

void Graph::begin_thread(int thread) {
    Known& known = threads_[at(thread)];
    known.now[0] = known.seen[0] = known.acquirable[0] = known.released[0] = UINT16_MAX;
}

int Graph::floor(int thread, int location) const {
    const Clock& clock = now(thread);
    int lowest = 0;
    for (const int number : locations_[at(location)].events) {
        const Event& event = events_[at(number)];
        if (event.position > lowest && knows(clock, event)) lowest = event.position;
    }
    return lowest;
}

bool Graph::is_updated(int location, int position) const {
    const std::vector<int>& stores = locations_[at(location)].stores;
    return at(position) + 1 < stores.size() &&
           events_[at(stores[at(position) + 1])].op == Op::update;
}

void Graph::insert(int location, int number, int position) {
    Location& here = locations_[at(location)];
    here.stores.insert(here.stores.begin() + position, number);
    for (const int each : here.events) {
        Event& event = events_[at(each)];
        if (event.position >= position) ++event.position;
    }
}

int Graph::add(Event event, int position) {
    const int number = static_cast<int>(events_.size());
    Known& known = threads_[at(event.thread)];
    before_last_ = known;
    event.index = ++known.count;
    event.before = known.now;
    const std::size_t own = at(event.thread);
    known.now[own] = known.seen[own] = static_cast<std::uint16_t>(event.index);
    const bool reads = event.op == Op::load || event.op == Op::update;
    if (reads) {
        event.from = locations_[at(event.location)].stores[at(position)];
        const Event& source = events_[at(event.from)];
        event.got = source.put;
        join(acquires(event.order) ? known.now : known.acquirable, source.message);
        join(known.seen, source.seen);
        event.position = position;
    } else if (event.op == Op::fence) {
        if (acquires(event.order)) join(known.now, known.acquirable);
        if (releases(event.order)) known.released = known.now;
    }
    event.after = known.now;
    event.seen = known.seen;
    if (event.writes) {
        event.message = releases(event.order) ? known.now : known.released;
        if (event.plain) event.message = {};
        if (reads) {
            join(event.message, events_[at(event.from)].message);  // a release sequence goes on
            ++position;
        }
        insert(event.location, number, position);
        event.position = position;
    }
    number_it(event, number);
    if (event.location >= 0) locations_[at(event.location)].events.push_back(number);
    events_.push_back(std::move(event));
    return number;
}

void Graph::number_it(Event& event, int id) {
    for (const int each : seq_cst_) {
        const Event& other = events_[at(each)];
        if (other.op == Op::fence && knows(event.after, other)) {
            event.fences_before.set(at(other.number));
        }
    }
    if (event.order != std::memory_order_seq_cst || event.thread == 0) return;
    if (seq_cst_.size() == max_seq_cst) std::abort();
    event.number = static_cast<int>(seq_cst_.size());
    // Strongly happens before: by the order of their thread, or A, something behind A, what
    // happens before something before B, B. That A synchronizes with B is found as reading from it.
    SeqCstSet strictly;
    for (const int each : seq_cst_) {
        const Event& other = events_[at(each)];
        if (other.thread == event.thread || event.before[at(other.thread)] > other.index) {
            strictly.set(at(other.number));
        }
    }
    seq_cst_.push_back(id);
    strictly_before_.push_back(strictly);
    if (event.op != Op::fence) return;
    for (Event& other : events_) {
        if (knows(event.after, other)) other.fences_after.set(at(event.number));
    }
}

void Graph::remove_last() {
    const Event& last = events_.back();
    if (last.location >= 0) {
        Location& here = locations_[at(last.location)];
        here.events.pop_back();
        if (last.writes) {
            here.stores.erase(here.stores.begin() + last.position);
            for (const int each : here.events) {
                Event& event = events_[at(each)];
                if (event.position > last.position) --event.position;
            }
        }
    }
    if (last.number >= 0) {
        seq_cst_.pop_back();
        strictly_before_.pop_back();
        // (A fence is never taken back: there is nothing to choose.)
    }
    threads_[at(last.thread)] = before_last_;
    events_.pop_back();
}

/// A is coherence-ordered before B (both of one location): as told by their places in modification
/// order. Where A is seq_cst, or such a fence happens before it, and the same behind B, S has to
/// agree: [atomics.order], 4.
bool Graph::is_consistent() const {
    const std::size_t count = seq_cst_.size();
    if (count < 2) return true;
    std::vector<SeqCstSet> before = strictly_before_;
    std::vector<SeqCstSet> writers, readers;  // by place: of what is ordered by being there
    for (const Location& location : locations_) {
        writers.assign(location.stores.size(), {});
        readers.assign(location.stores.size(), {});
        for (const int each : location.events) {
            const Event& event = events_[at(each)];
            SeqCstSet& set = (event.writes ? writers : readers)[at(event.position)];
            set |= event.fences_before;
            if (event.number >= 0) set.set(at(event.number));
        }
        for (std::size_t i = 1; i < writers.size(); ++i) {  // of that place and all before it
            writers[i] |= writers[i - 1];
            readers[i] |= readers[i - 1];
        }
        for (const int each : location.events) {
            const Event& event = events_[at(each)];
            const std::size_t place = at(event.position);
            SeqCstSet ordered;
            if (!event.writes) ordered |= writers[place];
            if (place > 0) ordered |= readers[place - 1];
            if (event.writes && place > 0) ordered |= writers[place - 1];
            if (ordered.none()) continue;
            if (event.number >= 0) before[at(event.number)] |= ordered;
            if (event.fences_after.none()) continue;
            for (std::size_t i = 0; i < count; ++i) {
                if (event.fences_after.test(i)) before[i] |= ordered;
            }
        }
    }
    // Acyclic, if one after the other can be taken that has none before it.
    SeqCstSet left;
    for (std::size_t i = 0; i < count; ++i) left.set(i);
    for (bool any = true; any && left.any();) {
        any = false;
        for (std::size_t i = 0; i < count; ++i) {
            if (left.test(i) && (before[i] & left).none()) {
                left.reset(i);
                any = true;
            }
        }
    }
    return left.none();
}

void Graph::depend(int thread, int event) {
    join(threads_[at(thread)].seen, events_[at(event)].seen);
}

void Graph::end_threads() {
    for (const Known& each : threads_) join(threads_[0].now, each.now);
}

}  // namespace onecopy::model
