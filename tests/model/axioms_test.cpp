// The checker against the axioms: for random small programs, all ways to choose what each load
// reads and how the stores of a location are ordered are tried one by one, and those are counted
// that the standard allows, by its text and in no clever way.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <random>
#include <set>
#include <sstream>

#include "model/atomic.hpp"
#include "model/trace.hpp"

namespace onecopy::model {
namespace {

struct Step {
    int thread = -1;  // -1: the first value of a location
    Op op = Op::store;
    int location = -1;
    std::memory_order order = std::memory_order_relaxed;
    std::uint64_t value = 0;
};
using Steps = std::vector<Step>;  // by thread, in order

bool reads(const Step& step) { return step.op == Op::load || step.op == Op::update; }
bool writes(const Step& step) { return step.op == Op::store || step.op == Op::update; }

/// A relation of up to 16 steps: for each, a bit for each that comes behind it.
class Relation {
public:
    [[nodiscard]] bool has(std::size_t a, std::size_t b) const { return (rows_[a] >> b & 1U) != 0; }
    void set(std::size_t a, std::size_t b) { rows_[a] |= 1U << b; }
    Relation operator|(const Relation& other) const {
        Relation sum = *this;
        for (std::size_t i = 0; i < rows_.size(); ++i) sum.rows_[i] |= other.rows_[i];
        return sum;
    }
    [[nodiscard]] Relation then(const Relation& next) const {
        Relation both;
        for (std::size_t a = 0; a < rows_.size(); ++a) {
            for (std::size_t b = 0; b < rows_.size(); ++b) {
                if (has(a, b)) both.rows_[a] |= next.rows_[b];
            }
        }
        return both;
    }
    [[nodiscard]] Relation closed() const {
        Relation all = *this;
        for (std::size_t round = 0; round < 4; ++round) all = all | all.then(all);
        return all;
    }
    [[nodiscard]] bool irreflexive() const {
        for (std::size_t i = 0; i < rows_.size(); ++i) {
            if (has(i, i)) return false;
        }
        return true;
    }

private:
    std::array<std::uint32_t, 16> rows_{};
};

/// One way to choose, for a program.
struct Choice {
    const Steps& steps;
    std::vector<int> from;  // by step: the store that it reads; -1: it reads nothing
    Relation order;         // of modifications
};

Relation before_in_thread(const Steps& steps) {
    Relation before;
    for (std::size_t a = 0; a < steps.size(); ++a) {
        for (std::size_t b = a + 1; b < steps.size(); ++b) {
            if (steps[a].thread == steps[b].thread && steps[a].thread >= 0) before.set(a, b);
        }
    }
    return before;
}

/// [atomics.order] 2, [atomics.fences], with release sequences as of C++20.
Relation synchronizes(const Choice& choice, const Relation& in_thread) {
    const Steps& steps = choice.steps;
    Relation result;
    for (std::size_t reader = 0; reader < steps.size(); ++reader) {
        if (!reads(steps[reader])) continue;
        // Whose store it reads, or through updates only.
        for (int head = choice.from[reader]; head >= 0;
             head = choice.from[static_cast<std::size_t>(head)]) {
            const auto h = static_cast<std::size_t>(head);
            std::vector<std::size_t> released, acquired;
            if (releases(steps[h].order)) released.push_back(h);
            if (acquires(steps[reader].order)) acquired.push_back(reader);
            for (std::size_t f = 0; f < steps.size(); ++f) {
                if (steps[f].op != Op::fence) continue;
                if (releases(steps[f].order) && in_thread.has(f, h)) released.push_back(f);
                if (acquires(steps[f].order) && in_thread.has(reader, f)) acquired.push_back(f);
            }
            for (const std::size_t a : released) {
                for (const std::size_t b : acquired) result.set(a, b);
            }
        }
    }
    return result;
}

bool has_seq_cst_order(const Steps& steps, const Relation& in_thread, const Relation& happens,
                       const Relation& synchronized, const Relation& coherent) {
    const auto is = [&](std::size_t i) {
        return steps[i].order == std::memory_order_seq_cst && steps[i].thread >= 0;
    };
    Relation strongly = in_thread | in_thread.then(happens).then(in_thread);
    for (std::size_t a = 0; a < steps.size(); ++a) {
        for (std::size_t b = 0; b < steps.size(); ++b) {
            if (is(a) && is(b) && synchronized.has(a, b)) strongly.set(a, b);
        }
    }
    strongly = strongly.closed();
    Relation before;
    const auto add = [&](std::size_t a, std::size_t b) {
        if (is(a) && is(b)) before.set(a, b);
    };
    for (std::size_t a = 0; a < steps.size(); ++a) {
        for (std::size_t b = 0; b < steps.size(); ++b) {
            if (strongly.has(a, b)) add(a, b);
            if (!coherent.has(a, b)) continue;
            add(a, b);
            for (std::size_t x = 0; x < steps.size(); ++x) {
                const bool ahead = steps[x].op == Op::fence && happens.has(x, a);
                if (ahead) add(x, b);
                for (std::size_t y = 0; y < steps.size(); ++y) {
                    const bool behind = steps[y].op == Op::fence && happens.has(b, y);
                    if (behind) add(a, y);
                    if (ahead && behind) add(x, y);
                }
            }
        }
    }
    return before.closed().irreflexive();
}

bool is_allowed(const Choice& choice) {
    const Steps& steps = choice.steps;
    Relation from, unread;  // reads-from; reads before
    for (std::size_t b = 0; b < steps.size(); ++b) {
        if (choice.from[b] < 0) continue;
        const auto a = static_cast<std::size_t>(choice.from[b]);
        from.set(a, b);
        for (std::size_t later = 0; later < steps.size(); ++later) {
            if (later != b && choice.order.has(a, later)) unread.set(b, later);
        }
        if (steps[b].op != Op::update) continue;
        if (!choice.order.has(a, b)) return false;
        for (std::size_t c = 0; c < steps.size(); ++c) {
            if (choice.order.has(a, c) && choice.order.has(c, b)) return false;
        }
    }
    const Relation in_thread = before_in_thread(steps);
    if (!(in_thread | from).closed().irreflexive()) return false;
    const Relation synchronized = synchronizes(choice, in_thread);
    Relation begins = in_thread | synchronized;
    for (std::size_t a = 0; a < steps.size(); ++a) {
        for (std::size_t b = 0; b < steps.size(); ++b) {
            if (steps[a].thread < 0 && steps[b].thread >= 0) begins.set(a, b);
        }
    }
    const Relation happens = begins.closed();
    const Relation coherent = (from | choice.order | unread).closed();
    if (!happens.irreflexive() || !coherent.irreflexive()) return false;
    if (!happens.then(coherent).irreflexive()) return false;
    return has_seq_cst_order(steps, in_thread, happens, synchronized, coherent);
}

struct Found {
    std::uint64_t count = 0;
    std::set<std::vector<std::uint64_t>> values;  // that the steps read
    bool operator==(const Found&) const = default;
};

void choose_sources(const Steps& steps, Choice& choice, std::size_t next, Found& found) {
    while (next < steps.size() && !reads(steps[next])) ++next;
    if (next < steps.size()) {
        for (std::size_t a = 0; a < steps.size(); ++a) {
            if (a == next || !writes(steps[a]) || steps[a].location != steps[next].location) {
                continue;
            }
            choice.from[next] = static_cast<int>(a);
            choose_sources(steps, choice, next + 1, found);
        }
        choice.from[next] = -1;
        return;
    }
    if (!is_allowed(choice)) return;
    ++found.count;
    std::vector<std::uint64_t> values;
    for (const int each : choice.from) {
        if (each >= 0) values.push_back(steps[static_cast<std::size_t>(each)].value);
    }
    found.values.insert(values);
}

Found by_axioms(const Steps& steps, int locations) {
    Found found;
    std::vector<std::vector<std::size_t>> stores(static_cast<std::size_t>(locations));
    for (std::size_t i = 0; i < steps.size(); ++i) {
        if (writes(steps[i])) stores[static_cast<std::size_t>(steps[i].location)].push_back(i);
    }
    // Every order of the stores of every location; the first is the first value.
    const std::function<void(std::size_t, const Relation&)> order = [&](std::size_t location,
                                                                        const Relation& so_far) {
        if (location == stores.size()) {
            Choice choice{steps, std::vector<int>(steps.size(), -1), so_far};
            return choose_sources(steps, choice, 0, found);
        }
        std::vector<std::size_t>& own = stores[location];
        do {
            Relation next = so_far;
            for (std::size_t a = 0; a < own.size(); ++a) {
                for (std::size_t b = a + 1; b < own.size(); ++b) next.set(own[a], own[b]);
            }
            order(location + 1, next);
        } while (std::next_permutation(own.begin() + 1, own.end()));
    };
    order(0, {});
    return found;
}

Found by_checker(const Steps& steps, int locations, int threads) {
    Found found;
    struct Words {
        std::array<Atomic<std::uint64_t>, 3> words;
    };
    std::vector<std::uint64_t> values(steps.size());
    const Result result = explore([&](Execution& run) {
        Words& words = run.make<Words>();
        for (int i = 0; i < locations; ++i) {
            run.name(words.words[static_cast<std::size_t>(i)], std::string(1, "xyz"[i]));
        }
        for (int thread = 0; thread < threads; ++thread) {
            run.thread("thread", [&, thread] {
                for (std::size_t i = 0; i < steps.size(); ++i) {
                    const Step& step = steps[i];
                    if (step.thread != thread) continue;
                    if (step.op == Op::fence) {
                        fence(step.order, Site::here());
                        continue;
                    }
                    auto& word = words.words[static_cast<std::size_t>(step.location)];
                    if (step.op == Op::store) word.store(step.value, step.order);
                    if (step.op == Op::load) values[i] = word.load(step.order);
                    if (step.op == Op::update) values[i] = word.exchange(step.value, step.order);
                }
            });
        }
        run.finally([&] {
            std::vector<std::uint64_t> read;
            for (std::size_t i = 0; i < steps.size(); ++i) {
                if (reads(steps[i])) read.push_back(values[i]);
            }
            found.values.insert(read);
        });
    });
    EXPECT_FALSE(result.failed) << result.why;
    found.count = result.executions;
    return found;
}

struct Shape {
    int locations, threads, steps;
    int updates = 1;  ///< as against 4 loads, 3 stores and 1 fence
};

Steps random_program(std::mt19937& random, const Shape& shape) {
    const auto [locations, threads, count, updates] = shape;
    Steps steps;
    for (int i = 0; i < locations; ++i) {
        Step first;
        first.location = i;
        steps.push_back(first);
    }
    const auto pick = [&random](int from) {
        return static_cast<int>(random() % static_cast<unsigned>(from));
    };
    std::vector<int> of(static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) of[static_cast<std::size_t>(i)] = i % threads;
    std::sort(of.begin(), of.end());
    for (const int thread : of) {
        Step step;
        step.thread = thread;
        const int what = pick(8 + updates);
        step.op = what < 4 ? Op::load : what < 7 ? Op::store : what < 8 ? Op::fence : Op::update;
        if (step.op != Op::fence) step.location = pick(locations);
        step.value = steps.size();
        constexpr std::array orders{std::memory_order_relaxed, std::memory_order_acquire,
                                    std::memory_order_release, std::memory_order_acq_rel,
                                    std::memory_order_seq_cst};
        for (;;) {
            step.order = orders[static_cast<std::size_t>(pick(5))];
            const bool mixed = step.order == std::memory_order_acq_rel;
            if (step.op == Op::load && (mixed || step.order == std::memory_order_release)) continue;
            if (step.op == Op::store && (mixed || step.order == std::memory_order_acquire)) {
                continue;
            }
            break;
        }
        steps.push_back(step);
    }
    return steps;
}

std::string text_of(const Steps& steps) {
    std::ostringstream text;
    for (const Step& step : steps) {
        if (step.thread < 0) continue;
        text << "thread " << step.thread << ": " << (reads(step) ? "read " : "")
             << (writes(step) ? "write " + std::to_string(step.value) + " " : "")
             << (step.op == Op::fence ? "fence" : std::string(1, "xyz"[step.location])) << " "
             << name_of(step.order) << "\n";
    }
    return text.str();
}

void compare(int programs, const Shape& shape, unsigned seed) {
    std::mt19937 random(seed);
    std::uint64_t graphs = 0;
    for (int i = 0; i < programs; ++i) {
        const Steps steps = random_program(random, shape);
        const Found axioms = by_axioms(steps, shape.locations);
        const Found checker = by_checker(steps, shape.locations, shape.threads);
        ASSERT_EQ(checker.values, axioms.values) << text_of(steps);
        ASSERT_EQ(checker.count, axioms.count) << text_of(steps);
        graphs += axioms.count;
    }
    EXPECT_GT(graphs, static_cast<std::uint64_t>(programs));
}

TEST(Axioms, TwoThreadsComeByEachExecutionThatIsAllowedExactlyOnce) {
    compare(2000, {2, 2, 6}, 1);
    compare(200, {1, 2, 6}, 2);
    compare(300, {2, 2, 6, 8}, 3);
}
TEST(Axioms, ThreeThreadsComeByEachExecutionThatIsAllowedExactlyOnce) {
    compare(1500, {2, 3, 6}, 4);
    compare(500, {3, 3, 7}, 5);
    compare(300, {1, 3, 5, 8}, 6);
}
TEST(Axioms, FourThreadsComeByEachExecutionThatIsAllowedExactlyOnce) {
    compare(500, {2, 4, 7}, 7);
    compare(500, {2, 4, 6, 8}, 8);
}

}  // namespace
}  // namespace onecopy::model
