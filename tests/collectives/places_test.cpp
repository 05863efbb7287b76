// What is worked out for calls by domains and for calls of many ranks, without any rank.
#include "collectives/places.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "collectives/group.hpp"
#include "collectives/plan.hpp"
#include "schedule/forms.hpp"

namespace onecopy::collectives {
namespace {

using schedule::Form;

constexpr std::uint64_t frame_bytes = Group::frame_bytes_each;
constexpr std::array every_collective{
    Collective::bcast,    Collective::gather, Collective::scatter,   Collective::allgather,
    Collective::alltoall, Collective::reduce, Collective::allreduce, Collective::reduce_scatter,
    Collective::scan,     Collective::exscan};

std::vector<os::CpuPlace> placed(const char* machine, int ranks, int stride = 1) {
    std::vector<os::CpuPlace> members;
    for (int rank = 0; rank < ranks; ++rank) {
        const auto thread = static_cast<std::uint64_t>(rank) * static_cast<std::uint64_t>(stride);
        members.push_back(os::place_in(machine, thread).value());
    }
    return members;
}

bool reduces(Collective what) {
    return what == Collective::reduce || what == Collective::allreduce ||
           what == Collective::reduce_scatter || what == Collective::scan ||
           what == Collective::exscan;
}

void add_nothing(const void*, const void*, void*, std::size_t, void*) {}

/// Of elements of so many bytes.
Call call_of(Collective what, int root, std::uint64_t grain, std::uint64_t bytes) {
    Call call(what, root, bytes);
    if (reduces(what)) {
        call.reduce_by(Reduction(Function{add_nothing, static_cast<std::size_t>(grain), nullptr}));
    }
    return call;
}

TEST(Places, OfMembersThatMayRunInSeveralAreNoDomains) {
    auto members = placed("package:2 l3:2 core:2", 8);
    EXPECT_EQ(Places(members).domains()->levels(), 3);
    members[5].l3 = os::CpuPlace::several;
    EXPECT_EQ(Places(members).domains()->levels(), 2) << "packages are left";
    EXPECT_EQ(Places(members).domains()->count(1), 2);
    members[2].package = os::CpuPlace::several;
    EXPECT_EQ(Places(members).domains(), nullptr);
    EXPECT_FALSE(Places(members).are_worth_it(Collective::allreduce));
}

TEST(Places, AreWorthItWhereSomethingIsSaved) {
    for (const Collective what : every_collective) {
        const bool form = schedule::has_form(what, Form::domains);
        EXPECT_EQ(Places(placed("l3:2 core:2", 4)).are_worth_it(what), form);
        EXPECT_FALSE(Places(placed("l3:2 core:2", 2)).are_worth_it(what));
        EXPECT_FALSE(Places(placed("core:4", 4)).are_worth_it(what));
        const bool reduces_only = what == Collective::reduce || what == Collective::reduce_scatter;
        EXPECT_EQ(Places(placed("l3:2 core:1", 6)).are_worth_it(what), form && !reduces_only)
            << "ranks dealt out round robin";
    }
}

/// Every way in which a call by domains may use a frame, for each rank.
void expect_frames_to_hold(const char* machine, int ranks, int stride) {
    Places places(placed(machine, ranks, stride));
    ASSERT_NE(places.domains(), nullptr) << machine;
    for (const Collective what : every_collective) {
        if (!places.are_worth_it(what)) continue;
        for (const int root : {0, ranks / 2, ranks - 1}) {
            for (const std::uint64_t grain : {1, 8, 100, 4096}) {
                for (const bool mapped : {false, true}) {
                    const Call call = call_of(what, root, grain, std::uint64_t{1} << 40);
                    const auto choice = choose_by_domains(call, places, mapped, frame_bytes);
                    if (!choice) continue;
                    ASSERT_EQ(choice->window % call.grain(), 0U);
                    ASSERT_GT(choice->window, 0U);
                    const Regions regions = regions_of(what, Form::domains, ranks);
                    for (const std::uint64_t part : {1, 2, 3, 7, 64}) {
                        schedule::Call window;
                        window.what = what;
                        window.form = Form::domains;
                        window.ranks = ranks;
                        window.root = root;
                        window.grain = call.grain();
                        window.bytes = choice->window / part / window.grain * window.grain;
                        window.domains = places.domains();
                        const std::uint64_t partial = schedule::most_partial_bytes(window);
                        std::uint64_t found = 0;
                        for (int rank = 0; part == 1 && rank < ranks; ++rank) {
                            found = std::max(found, steps_of(window, rank).partial_bytes);
                        }
                        if (part == 1) {
                            EXPECT_EQ(found, partial);
                        }
                        EXPECT_LE(partial, places.partial_bytes(call, choice->window));
                        EXPECT_LE((mapped ? 0 : regions.all() * window.bytes) + partial,
                                  frame_bytes)
                            << machine << ", " << ranks << " ranks, collective "
                            << static_cast<int>(what) << ", root " << root << ", grain " << grain;
                    }
                }
            }
        }
    }
}

TEST(Places, FramesHoldWhatAWindowNeeds) {
    expect_frames_to_hold("l3:2 core:2", 4, 1);
    expect_frames_to_hold("l3:3 core:3", 7, 1);
    expect_frames_to_hold("package:2 numa:2 l3:2 core:2", 16, 1);
    expect_frames_to_hold("package:2 l3:5 core:2", 19, 3);
    expect_frames_to_hold("package:2 l3:2 core:6", 24, 5);
    expect_frames_to_hold("package:3 l3:2 core:3", 17, 7);
    // A root that is alone in its L3 has much to put together.
    expect_frames_to_hold("package:2 l3:5 core:8", 33, 1);
}

TEST(Plans, OfLongWindowsOnMappedMemoryHaveRoomForPartialResults) {
    for (const Collective what : every_collective) {
        for (const Form form : {Form::pull, Form::push, Form::redundant}) {
            for (const int ranks : {2, 3, 8}) {
                node::ScheduleTable table{};
                for (auto& each : table.of(what, node::Reach::mapped)) each = {form, 64 << 10};
                const Call call = call_of(what, 1, 8, std::uint64_t{1} << 30);
                const Choice choice = choose(table, call, ranks, true, false, frame_bytes);
                schedule::Call window{what, choice.form, ranks, 1, choice.window, 8, nullptr};
                for (int rank = 0; rank < ranks; ++rank) {
                    EXPECT_LE(steps_of(window, rank).partial_bytes, frame_bytes)
                        << static_cast<int>(what) << ", form " << static_cast<int>(form);
                }
            }
        }
    }
}

/// Whether `more` has each byte of `ranges`.
bool has_all(const std::vector<schedule::Range>& more, const std::vector<schedule::Range>& ranges,
             schedule::Buffer buffer) {
    for (const schedule::Range& each : ranges) {
        if (each.buffer != buffer) continue;
        for (std::uint64_t byte = each.offset; byte < each.offset + each.bytes; ++byte) {
            const bool in = std::ranges::any_of(more, [&](const schedule::Range& one) {
                return one.buffer == buffer && one.block == each.block && one.offset <= byte &&
                       byte < one.offset + one.bytes;
            });
            if (!in) return false;
        }
    }
    return true;
}

TEST(Plans, OfManyRanksShowAllThatOthersReadAndNoMoreThanAFrameHolds) {
    for (const auto& [machine, ranks] :
         {std::pair{"l3:2 core:2", 4}, {"l3:3 core:3", 7}, {"package:2 numa:2 l3:2 core:2", 16}}) {
        const Places places(placed(machine, ranks));
        for (const Collective what : every_collective) {
            for (const Form form :
                 {Form::pull, Form::redundant, Form::domains}) {  // through frames nobody pushes
                if (!schedule::has_form(what, form)) continue;
                for (int rank = 0; rank < ranks; ++rank) {
                    schedule::Call call{what, form, ranks, ranks / 3, 1200, 4, places.domains()};
                    const schedule::Steps steps = steps_of(call, rank);
                    const schedule::Exports exact = exports_of(call, rank);
                    const schedule::Exports most = exports_at_most(call, steps, rank);
                    for (const auto buffer : {schedule::Buffer::from, schedule::Buffer::to}) {
                        EXPECT_TRUE(has_all(most.read, exact.read, buffer))
                            << static_cast<int>(what) << ", form " << static_cast<int>(form)
                            << ", rank " << rank << " of " << ranks;
                    }
                    EXPECT_TRUE(std::ranges::includes(most.touchers, exact.touchers));
                    const Plan plan(call, rank);
                    const std::uint64_t end = plan.regions.all() * call.bytes;
                    for (const schedule::Range& each : most.read) {
                        EXPECT_LE(plan.place_in_frame(
                                      {rank, each.buffer, each.block, each.offset + each.bytes}),
                                  end)
                            << static_cast<int>(what) << ", form " << static_cast<int>(form);
                    }
                }
            }
        }
    }
}

}  // namespace
}  // namespace onecopy::collectives
