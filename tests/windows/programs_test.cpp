// Random programs of several ranks against plain memory: between two fences everybody does what it
// likes to bytes of its own and adds, in any order, to elements that all share.
#include <gtest/gtest.h>
#include <rapidcheck.h>
// After gtest's own:
#include <rapidcheck/gtest.h>

#include "windows.hpp"

namespace onecopy::test {
namespace {

constexpr int ranks = 3;
constexpr std::size_t shared_bytes = 256, own_bytes = 200;
constexpr std::size_t all_bytes = shared_bytes + ranks * own_bytes;

enum class What { put, put_list, replace, sum, exclusive_or, largest, count };

/// Bytes that a rank has for itself in each part, or elements that all have.
struct Step {
    int rank = 0, target = 0;
    What what = What::put;
    std::size_t offset = 0;
    std::vector<std::byte> data;
    Type type = Type::uint8;
    bool exclusive = false;  // if steps lock at all
};
/// What is done between two fences: either all of it under locks or nothing.
struct Phase {
    bool locks = false;
    std::vector<Step> steps;
};

constexpr std::array words = {Type::uint8, Type::int16, Type::uint32, Type::int64};

rc::Gen<Step> a_step() {
    return rc::gen::exec([] {
        Step step;
        step.rank = *rc::gen::inRange(0, ranks);
        step.target = *rc::gen::inRange(0, ranks);
        step.what = static_cast<What>(*rc::gen::inRange(0, static_cast<int>(What::count)));
        step.exclusive = *rc::gen::arbitrary<bool>();
        if (step.what >= What::sum) {
            // Each type and each operation has elements of its own: a quarter for each type,
            // a third of it for the operation.
            const auto type = *rc::gen::inRange<std::size_t>(0, words.size());
            step.type = words[type];
            const std::size_t element = size_of(step.type);
            const std::size_t room = shared_bytes / 4 / 3 / element;
            const std::size_t first = *rc::gen::inRange<std::size_t>(0, room);
            const std::size_t count = *rc::gen::inRange<std::size_t>(1, room - first + 1);
            const auto third =
                static_cast<std::size_t>(step.what) - static_cast<std::size_t>(What::sum);
            // (21 bytes: most elements stand at odd addresses, those of the first third do not.)
            step.offset =
                type * (shared_bytes / 4) + third * (shared_bytes / 4 / 3) + first * element;
            step.data.resize(count * element);
        } else {
            const std::size_t first = *rc::gen::inRange<std::size_t>(0, own_bytes);
            step.offset = shared_bytes + static_cast<std::size_t>(step.rank) * own_bytes + first;
            step.data.resize(*rc::gen::inRange<std::size_t>(0, own_bytes - first + 1));
            step.type = Type::uint8;
        }
        for (std::byte& each : step.data) each = std::byte(*rc::gen::inRange(0, 256));
        return step;
    });
}

Op op_of(What what) {
    switch (what) {
        case What::sum:
            return Op::sum;
        case What::exclusive_or:
            return Op::bxor;
        case What::largest:
            return Op::max;
        default:
            return Op::replace;
    }
}

void run(Window& window, const Step& step, bool locks) {
    if (locks) {
        window.lock(step.exclusive ? LockType::exclusive : LockType::shared, step.target);
    }
    if (step.what == What::put) {
        window.put(step.data, step.target, step.offset);
    } else if (step.what == What::put_list) {
        const std::span<const std::byte> data(step.data);
        const std::size_t third = data.size() / 3;
        const std::array<ConstSegment, 2> pieces{data.first(third), data.subspan(third)};
        const std::array<WindowRun, 2> runs{
            {{step.offset, 2 * third}, {step.offset + 2 * third, data.size() - 2 * third}}};
        window.put(pieces, step.target, runs);
    } else {
        window.accumulate(ConstSegment(step.data), step.target, step.offset,
                          Reduction(op_of(step.what), step.type));
    }
    if (locks) window.unlock(step.target);
}

void model(std::vector<std::byte>& memory, const Step& step) {
    std::byte* const at = memory.data() + step.offset;
    combine(op_of(step.what), step.type, at, step.data.data(), at,
            step.data.size() / size_of(step.type));
}

RC_GTEST_PROP(WindowPrograms, LeaveWhatPlainMemoryWouldHold, ()) {
    const auto program = *rc::gen::container<std::vector<Phase>>(rc::gen::exec([] {
        return Phase{*rc::gen::arbitrary<bool>(), *rc::gen::container<std::vector<Step>>(a_step())};
    }));
    const From from = *rc::gen::elementOf(every_kind);
    test::Ranks job(ranks, [&](Node& node) {
        AnyWindow any(node, from, all_bytes);
        Window& window = any.window;
        std::vector<std::vector<std::byte>> expected(ranks, std::vector<std::byte>(all_bytes));
        for (const Phase& phase : program) {
            for (const Step& step : phase.steps) {
                if (step.rank == node.rank()) run(window, step, phase.locks);
                model(expected[static_cast<std::size_t>(step.target)], step);
            }
            window.fence();
            for (int rank = 0; rank < ranks; ++rank) {
                std::vector<std::byte> got(all_bytes);
                window.get(got, rank, 0);
                EXPECT_EQ(got, expected[static_cast<std::size_t>(rank)]);
            }
            window.fence();
        }
    });
    RC_ASSERT(job.wait().all_right());
}

}  // namespace
}  // namespace onecopy::test
