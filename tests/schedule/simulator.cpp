#include "simulator.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <tuple>
#include <unordered_map>

#include "schedule/forms.hpp"
#include "schedule/names.hpp"

namespace onecopy::schedule::test {
namespace {

constexpr std::size_t at(int index) { return static_cast<std::size_t>(index); }

constexpr const char* buffers[] = {"from", "to", "partial"};

/// Expressions as numbers: below the ranks, a contribution; else two combined. Equal expressions
/// have equal numbers.
class Expressions {
public:
    explicit Expressions(int ranks) : next_(ranks) {}

    int combine(int left, int right) {
        const auto [found, made] = numbers_.try_emplace({left, right}, next_);
        if (made) ++next_;
        return found->second;
    }
    int bracket(int first, int count) {
        if (count == 1) return first;
        int left = 1;  // the largest power of two below
        while (left + left < count) left += left;
        return combine(bracket(first, left), bracket(first + left, count - left));
    }
    int prefix(int count) {
        int all = 0;
        for (int rank = 1; rank < count; ++rank) all = combine(all, rank);
        return all;
    }

private:
    int next_;
    std::map<std::pair<int, int>, int> numbers_;
};

/// What a byte is: the byte at `offset` of this block of each contribution, combined.
struct Value {
    int expression = 0;
    int block = 0;
    std::uint64_t offset = 0;

    bool operator==(const Value&) const = default;
};

struct Run {
    std::uint64_t bytes = 0;
    Value value;  // of the first byte; the offset counts up
    int writer = 0, phase = 0;
};

/// A read or a write of memory that a contribution and a result may share.
struct Access {
    std::uint64_t begin = 0, end = 0;
    int rank = 0, phase = 0;
    std::size_t step = 0;
    std::vector<int> known;  // at a write: the phases that surely are completed
};

class Simulator {
public:
    Simulator(const Call& call, const std::vector<Steps>& steps)
        : call_(call),
          steps_(steps),
          expressions_(call.ranks),
          next_(at(call.ranks)),
          clocks_(in_place_safe(call.what, call.form) && call.ranks <= 40),
          known_(at(call.ranks), std::vector<int>(clocks_ ? at(call.ranks) : 0, -1)),
          published_(at(call.ranks)) {
        for (int rank = 0; clocks_ && rank < call.ranks; ++rank) known_[at(rank)][at(rank)] = 0;
    }

    std::string run() {
        for (int rank = 0; rank < call_.ranks && fault_.empty(); ++rank) check_shape(rank);
        bool moved = true;
        while (moved && fault_.empty()) {
            moved = false;
            for (int rank = 0; rank < call_.ranks && fault_.empty(); ++rank) {
                // One step at a time at half of the ranks, as far as they come at the others.
                while (advance(rank)) {
                    moved = true;
                    if (rank % 2 == 0 || !fault_.empty()) break;
                }
            }
        }
        for (int rank = 0; rank < call_.ranks && fault_.empty(); ++rank) {
            if (next_[at(rank)] < list(rank).size()) {
                complain(rank, next_[at(rank)], "waits for ever");
            }
        }
        if (fault_.empty()) check_results();
        if (fault_.empty() && clocks_) check_in_place();
        return fault_;
    }

private:
    [[nodiscard]] const std::vector<Step>& list(int rank) const { return steps_[at(rank)].list; }
    [[nodiscard]] int phases() const { return steps_.front().phases; }

    void complain(int rank, std::size_t step, const std::string& what) {
        if (!fault_.empty()) return;
        fault_ = "rank " + std::to_string(rank) + ", step " + std::to_string(step) + ": " + what;
    }

    // --- how steps look

    [[nodiscard]] bool combines() const { return call_.what >= Collective::reduce; }

    void check_shape(int rank) {
        if (steps_[at(rank)].phases != phases()) complain(rank, 0, "other phases than rank 0");
        int phase = 1;
        for (std::size_t i = 0; i < list(rank).size(); ++i) {
            const Step& step = list(rank)[i];
            const auto wrong = [&](const std::string& what) { complain(rank, i, what); };
            if (step.phase < phase || step.phase > phases()) wrong("its phase");
            phase = step.phase;
            if (step.bytes == 0 || step.bytes % call_.grain != 0) wrong("its bytes");
            if (step.targets.empty() || step.sources.empty()) wrong("nothing from or to");
            std::set<std::tuple<int, Buffer, int, std::uint64_t>> targets;
            for (const Place& place : step.targets) {
                if (place.rank != rank &&
                    (call_.form != Form::push || place.buffer != Buffer::to)) {
                    wrong("writes into another's memory");
                }
                if (place.buffer == Buffer::from) wrong("writes into what was given");
                if (!targets.insert({place.rank, place.buffer, place.block, place.offset}).second) {
                    wrong("one target twice");
                }
                if (!inside(place, step.bytes)) wrong("target out of bounds");
            }
            for (std::size_t s = 0; s < step.sources.size(); ++s) {
                const Source& source = step.sources[s];
                if (s > 0 &&
                    source.first != step.sources[s - 1].first + step.sources[s - 1].count) {
                    wrong("sources are not adjacent");
                }
                if (source.phase < 0 || source.phase > phases()) wrong("phase of a source");
                if (source.place.rank == rank && source.phase >= step.phase) wrong("own phase");
                if (!inside(source.place, step.bytes)) wrong("source out of bounds");
            }
            if (!combines() && step.sources.size() != 1) wrong("combines");
        }
    }

    [[nodiscard]] std::uint64_t size_of(const Place& place) const {
        using enum Collective;
        const Collective what = call_.what;
        const bool root = place.rank == call_.root;
        int blocks = 1;
        switch (place.buffer) {
            case Buffer::partial:
                return place.block == 0 ? steps_[at(place.rank)].partial_bytes : 0;
            case Buffer::from:
                if (what == scatter) blocks = root ? call_.ranks : 0;
                if (what == bcast) blocks = root ? 1 : 0;
                if (what == alltoall || what == reduce_scatter) blocks = call_.ranks;
                break;
            case Buffer::to:
                if (what == gather) blocks = root ? call_.ranks : 0;
                if (what == bcast) blocks = root ? 0 : 1;
                if (what == reduce) blocks = root ? 1 : 0;
                if (what == exscan) blocks = place.rank > 0 ? 1 : 0;
                if (what == allgather || what == alltoall) blocks = call_.ranks;
                break;
        }
        return place.block >= 0 && place.block < blocks ? call_.bytes : 0;
    }
    [[nodiscard]] bool inside(const Place& place, std::uint64_t bytes) const {
        if (place.rank < 0 || place.rank >= call_.ranks) return false;
        return place.offset % call_.grain == 0 && place.offset + bytes <= size_of(place);
    }

    // --- running

    [[nodiscard]] int completed(int rank) const {
        const std::size_t next = next_[at(rank)];
        return next < list(rank).size() ? list(rank)[next].phase - 1 : phases();
    }

    bool advance(int rank) {
        const std::size_t index = next_[at(rank)];
        if (index == list(rank).size()) return false;
        const Step& step = list(rank)[index];
        for (const Source& source : step.sources) {
            if (source.place.rank != rank && completed(source.place.rank) < source.phase) {
                return false;
            }
        }
        learn(rank, step);
        execute(rank, index, step);
        ++next_[at(rank)];
        publish(rank);
        return true;
    }

    void learn(int rank, const Step& step) {
        if (!clocks_) return;
        std::vector<int>& known = known_[at(rank)];
        for (const Source& source : step.sources) {
            const int other = source.place.rank;
            if (other == rank) continue;
            known[at(other)] = std::max(known[at(other)], source.phase);
            // What the other knew when it completed that phase.
            const auto& of_phase = published_[at(other)];
            const auto snapshot = of_phase.find(source.phase);
            if (snapshot == of_phase.end()) continue;
            for (std::size_t i = 0; i < known.size(); ++i) {
                known[i] = std::max(known[i], snapshot->second[i]);
            }
        }
    }
    void publish(int rank) {
        if (!clocks_) return;
        int& own = known_[at(rank)][at(rank)];
        for (; own < completed(rank);) {
            ++own;
            published_[at(rank)][own] = known_[at(rank)];
        }
    }

    using Key = std::tuple<int, Buffer, int>;
    static Key key(const Place& place) { return {place.rank, place.buffer, place.block}; }

    void execute(int rank, std::size_t index, const Step& step) {
        std::vector<std::vector<Run>> operands;
        std::set<std::uint64_t> cuts{0, step.bytes};
        for (const Source& source : step.sources) {
            operands.push_back(read(rank, index, step, source));
            if (!fault_.empty()) return;
            std::uint64_t end = 0;
            for (const Run& run : operands.back()) cuts.insert(end += run.bytes);
        }
        for (auto cut = cuts.begin(); std::next(cut) != cuts.end(); ++cut) {
            const std::uint64_t bytes = *std::next(cut) - *cut;
            std::vector<Value> values;
            for (const auto& runs : operands) values.push_back(value_at(runs, *cut));
            const std::optional<Value> value = combined(step, values);
            if (!value) return complain(rank, index, "cannot be combined so");
            for (const Place& target : step.targets) {
                Place place = target;
                place.offset += *cut;
                write(rank, index, step, place, {bytes, *value, rank, step.phase});
            }
        }
    }

    static Value value_at(const std::vector<Run>& runs, std::uint64_t offset) {
        std::uint64_t begin = 0;
        for (const Run& run : runs) {
            if (offset < begin + run.bytes) {
                Value value = run.value;
                value.offset += offset - begin;
                return value;
            }
            begin += run.bytes;
        }
        return {};
    }

    std::vector<Run> read(int rank, std::size_t index, const Step& step, const Source& source) {
        const Place& place = source.place;
        if (place.buffer == Buffer::from) {
            if (clocks_) {
                reads_[key(place)].push_back(
                    {place.offset, place.offset + step.bytes, rank, step.phase, index, {}});
            }
            if (source.first != place.rank || source.count != 1) {
                complain(rank, index, "a contribution is its rank's");
            }
            return {{step.bytes, {place.rank, place.block, place.offset}, -1, 0}};
        }
        std::vector<Run> found;
        const auto& runs = memory_[key(place)];
        std::uint64_t offset = place.offset;
        const std::uint64_t end = offset + step.bytes;
        auto run = runs.upper_bound(offset);
        if (run != runs.begin()) --run;
        while (offset < end) {
            if (run == runs.end() || run->first > offset ||
                run->first + run->second.bytes <= offset) {
                complain(rank, index,
                         std::string("reads what is not there: ") +
                             buffers[static_cast<int>(place.buffer)] + " of rank " +
                             std::to_string(place.rank));
                return {};
            }
            if (run->second.writer != place.rank ||
                (place.rank != rank && run->second.phase > source.phase)) {
                complain(rank, index, "reads what may not be there yet");
            }
            Run part = run->second;
            part.value.offset += offset - run->first;
            part.bytes = std::min(end, run->first + part.bytes) - offset;
            const int made = combines() ? expected_of(source) : source.first;
            if (part.value.expression != made)
                complain(rank, index, "a source is not what it says");
            found.push_back(part);
            offset += part.bytes;
            ++run;
        }
        return found;
    }

    int expected_of(const Source& source) {
        const bool line = call_.what == Collective::scan || call_.what == Collective::exscan;
        if (line) return source.first == 0 ? expressions_.prefix(source.count) : source.first;
        const auto [known, fresh] = brackets_.try_emplace({source.first, source.count}, 0);
        if (fresh) known->second = expressions_.bracket(source.first, source.count);
        return known->second;
    }

    std::optional<Value> combined(const Step& step, const std::vector<Value>& values) {
        for (const Value& value : values) {
            if (value.block != values[0].block || value.offset != values[0].offset) return {};
        }
        Value value = values.front();
        if (call_.what == Collective::scan || call_.what == Collective::exscan) {
            for (std::size_t i = 1; i < values.size(); ++i) {
                value.expression = expressions_.combine(value.expression, values[i].expression);
            }
            return value;
        }
        std::size_t next = 0;
        const int first = step.sources.front().first;
        const int count = step.sources.back().first + step.sources.back().count - first;
        value.expression = tree(step, values, next, first, count);
        if (value.expression < 0 || next != values.size()) return {};
        return value;
    }
    int tree(const Step& step, const std::vector<Value>& values, std::size_t& next, int first,
             int count) {
        const Source& source = step.sources[next];
        if (source.first == first && source.count == count) return values[next++].expression;
        if (count == 1) return -1;
        int left = 1;
        while (left + left < count) left += left;
        const int one = tree(step, values, next, first, left);
        if (one < 0 || next == values.size()) return -1;
        const int other = tree(step, values, next, first + left, count - left);
        return other < 0 ? -1 : expressions_.combine(one, other);
    }

    void write(int rank, std::size_t index, const Step& step, const Place& place, const Run& run) {
        auto& runs = memory_[key(place)];
        const auto behind = runs.lower_bound(place.offset);
        const bool hits_next = behind != runs.end() && behind->first < place.offset + run.bytes;
        const bool hits_last =
            behind != runs.begin() &&
            std::prev(behind)->first + std::prev(behind)->second.bytes > place.offset;
        if (hits_next || hits_last) complain(rank, index, "a byte has two writers");
        runs.emplace_hint(behind, place.offset, run);
        if (clocks_ && place.buffer == Buffer::to) {
            writes_[key(place)].push_back({place.offset, place.offset + run.bytes, rank, step.phase,
                                           index, known_[at(rank)]});
        }
    }

    // --- what came out

    std::optional<Value> expected(int rank, int block) {
        using enum Collective;
        switch (call_.what) {
            case bcast:
                return Value{call_.root, 0, 0};
            case gather:
            case allgather:
                return Value{block, 0, 0};
            case scatter:
                return Value{call_.root, rank, 0};
            case alltoall:
                return Value{block, rank, 0};
            case reduce:
            case allreduce:
                return Value{expressions_.bracket(0, call_.ranks), 0, 0};
            case reduce_scatter:
                return Value{expressions_.bracket(0, call_.ranks), rank, 0};
            case scan:
                return Value{expressions_.prefix(rank + 1), 0, 0};
            case exscan:
                return Value{expressions_.prefix(rank), 0, 0};
        }
        return {};
    }

    void check_results() {
        for (int rank = 0; rank < call_.ranks; ++rank) {
            for (int block = 0; block < call_.ranks; ++block) {
                const std::uint64_t size = size_of({rank, Buffer::to, block, 0});
                if (size == 0) break;
                Value value = *expected(rank, block);
                std::uint64_t there = 0;
                for (const auto& [offset, run] : memory_[{rank, Buffer::to, block}]) {
                    value.offset = offset;
                    if (run.value != value) complain(rank, 0, "wrong result");
                    there += run.bytes;
                }
                if (there != size) complain(rank, 0, "a part of its result is missing");
            }
            std::uint64_t partial = 0;
            for (const auto& [offset, run] : memory_[{rank, Buffer::partial, 0}]) {
                partial += run.bytes;
            }
            if (partial != steps_[at(rank)].partial_bytes) complain(rank, 0, "its partial_bytes");
        }
    }

    /// The contribution that stands where this result is to be, if the rank is in place.
    [[nodiscard]] std::optional<Key> same_memory(const Key& result) const {
        using enum Collective;
        const auto [rank, buffer, block] = result;
        switch (call_.what) {
            case reduce:
            case allreduce:
            case scan:
            case exscan:
                return Key{rank, Buffer::from, 0};
            case gather:
            case allgather:
                if (block == rank) return Key{rank, Buffer::from, 0};
                return {};
            case scatter:
                if (rank == call_.root) return Key{rank, Buffer::from, rank};
                return {};
            default:
                return {};
        }
    }

    void check_in_place() {
        for (const auto& [result, writes] : writes_) {
            const std::optional<Key> given = same_memory(result);
            if (!given) continue;
            const bool copied_onto_itself = !combines();
            for (const Access& write : writes) {
                for (const Access& read : reads_[*given]) {
                    if (read.end <= write.begin || write.end <= read.begin) continue;
                    const bool same_step = read.rank == write.rank && read.step == write.step;
                    const bool earlier = read.rank == write.rank
                                             ? read.step < write.step
                                             : write.known[at(read.rank)] >= read.phase;
                    if (!same_step && !earlier && !copied_onto_itself) {
                        complain(write.rank, write.step,
                                 "overwrites what rank " + std::to_string(read.rank) +
                                     " may still read");
                    }
                }
            }
        }
    }

    const Call& call_;
    const std::vector<Steps>& steps_;
    Expressions expressions_;
    std::map<std::pair<int, int>, int> brackets_;
    std::vector<std::size_t> next_;
    std::map<Key, std::map<std::uint64_t, Run>> memory_;
    bool clocks_;
    std::vector<std::vector<int>> known_;  // by rank: the phases that others surely completed
    std::vector<std::map<int, std::vector<int>>> published_;
    std::map<Key, std::vector<Access>> reads_, writes_;
    std::string fault_;
};

}  // namespace

std::vector<Steps> all_steps(const Call& call) {
    std::vector<Steps> all;
    for (int rank = 0; rank < call.ranks; ++rank) all.push_back(steps_of(call, rank));
    return all;
}

std::string fault_in(const Call& call, const std::vector<Steps>& steps) {
    return Simulator(call, steps).run();
}

std::string fault_of(const Call& call) { return fault_in(call, all_steps(call)); }

std::string text(const Call& call) {
    std::ostringstream out;
    out << name_of(call.what) << " by " << name_of(call.form) << ", " << call.ranks
        << " ranks, root " << call.root << ", " << call.bytes << " bytes of grain " << call.grain;
    return out.str();
}

}  // namespace onecopy::schedule::test
