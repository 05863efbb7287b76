// What the threads of a program call, and what is looked at when they do.
#include "model/checker.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "model/exploration.hpp"
#include "model/trace.hpp"

namespace onecopy::model {
namespace {

/// Without the arguments of a template, which one compiler adds.
std::string_view name_of_function(const Site& site) noexcept {
    const std::string_view name = site.function;
    return name.substr(0, name.find('<'));
}

}  // namespace

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
