// Calls that go by the domains of the machine, on machines that are not here: ONECOPY_TOPOLOGY says
// where the ranks are.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory_resource>
#include <ostream>
#include <string>
#include <vector>

#include "collectives/group.hpp"
#include "collectives/places.hpp"
#include "onecopy/communicator.hpp"
#include "ranks.hpp"

namespace onecopy {
namespace {

using collectives::Call;
using collectives::Collective;
using collectives::Group;
using schedule::Form;

/// For the ranks that are started while it lives. Empty: this machine.
class Machine {
public:
    explicit Machine(const std::string& words) {
        ::unsetenv("ONECOPY_TOPOLOGY");
        if (!words.empty()) ::setenv("ONECOPY_TOPOLOGY", words.c_str(), 1);
    }
    ~Machine() { ::unsetenv("ONECOPY_TOPOLOGY"); }
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;
};

Group& group_of(Node& node) { return *static_cast<Group*>(node.endpoint().context(0).above.get()); }

std::uint64_t calls_by_domains(Node& node) {
    return group_of(node).calls_by_form[static_cast<std::size_t>(Form::domains)];
}

/// Numbers whose sum depends on which of them are added first.
double operand(int rank, std::size_t i) {
    const double sign = (rank + static_cast<int>(i)) % 3 == 0 ? -1 : 1;
    return sign * (1.0 + static_cast<double>((i * 7 + static_cast<std::size_t>(rank) * 13) % 101)) *
           (rank % 2 == 0 ? 1e16 : 1e-3);
}
double bracketed(int first, int count, std::size_t i) {
    if (count == 1) return operand(first, i);
    const int left = schedule::left_of(count);
    return bracketed(first, left, i) + bracketed(first + left, count - left, i);
}

/// All calls that there is a schedule by domains for, each checked bit for bit.
class Calls {
public:
    Calls(Node& node, bool arena)
        : world_(node.world()), memory_(arena ? &node.arena() : std::pmr::new_delete_resource()) {}

    void vectors(std::size_t count, int root) {
        auto from = filled(world_.rank(), count);
        std::pmr::vector<double> to(count, -1, memory_);
        world_.allreduce(from, to, Op::sum);
        expect("allreduce", to, [&](std::size_t i) { return bracketed(0, world_.size(), i); });
        to.assign(count, -1);
        world_.reduce(from, to, Op::sum, root);
        if (world_.rank() == root) {
            expect("reduce", to, [&](std::size_t i) { return bracketed(0, world_.size(), i); });
        }
        if (world_.rank() != root) std::fill(from.begin(), from.end(), -1);
        world_.bcast(std::as_writable_bytes(std::span(from)), root);
        expect("bcast", from, [&](std::size_t i) { return operand(root, i); });
    }
    void blocks(std::size_t count) {
        const auto all = count * static_cast<std::size_t>(world_.size());
        auto from = filled(world_.rank(), count);
        std::pmr::vector<double> whole(all, -1, memory_);
        world_.allgather(from, whole);
        expect("allgather", whole,
               [&](std::size_t i) { return operand(static_cast<int>(i / count), i % count); });
        whole = filled(world_.rank(), all);
        const std::size_t first = count * static_cast<std::size_t>(world_.rank());
        world_.reduce_scatter_block(std::as_bytes(std::span(whole)),
                                    std::as_writable_bytes(std::span(from)),
                                    {Op::sum, Type::float64});
        expect("reduce_scatter_block", from,
               [&](std::size_t i) { return bracketed(0, world_.size(), first + i); });
    }

private:
    std::pmr::vector<double> filled(int rank, std::size_t count) {
        std::pmr::vector<double> values(count, memory_);
        for (std::size_t i = 0; i < count; ++i) values[i] = operand(rank, i);
        return values;
    }
    void expect(const char* what, std::span<const double> got, const auto& wanted) const {
        for (std::size_t i = 0; i < got.size(); ++i) {
            if (got[i] == wanted(i)) continue;
            ADD_FAILURE() << what << " of " << got.size() << " elements, rank " << world_.rank()
                          << " of " << world_.size() << ", element " << i;
            return;
        }
    }

    Communicator& world_;
    std::pmr::memory_resource* memory_;
};

/// What the engine chooses for doubles in those places: elements of a window.
std::size_t window_of(const std::string& machine, int ranks, Collective what, int root,
                      bool mapped) {
    std::vector<os::CpuPlace> members;
    for (int rank = 0; rank < ranks; ++rank) {
        members.push_back(os::place_in(machine, static_cast<std::uint64_t>(rank)).value());
    }
    collectives::Places places(members);
    Call call(what, root, std::uint64_t{1} << 30);
    if (what != Collective::bcast && what != Collective::allgather) {
        call.reduce_by({Op::sum, Type::float64});
    }
    const auto choice =
        collectives::choose_by_domains(call, places, mapped, Group::frame_bytes_each);
    return choice ? static_cast<std::size_t>(choice->window) / sizeof(double) : 0;
}

/// Elements that no slot holds.
constexpr std::size_t least_large = collectives::slot_data_bytes / sizeof(double) + 1;

struct Setting {
    const char* machine;
    int ranks;
    bool arena;
};
void PrintTo(const Setting& setting, std::ostream* out) {
    *out << setting.ranks << " ranks, " << setting.machine << (setting.arena ? ", arena" : "");
}

class Domains : public testing::TestWithParam<Setting> {};

TEST_P(Domains, GiveTheSameBitsAroundEachWindow) {
    const auto [machine, ranks, arena] = GetParam();
    const Machine there(machine);
    const int root = ranks / 2 + 1;
    const std::size_t vector = window_of(machine, ranks, Collective::allreduce, 0, arena);
    const std::size_t gathered = window_of(machine, ranks, Collective::allgather, 0, arena);
    const std::size_t scattered = window_of(machine, ranks, Collective::reduce_scatter, 0, arena);
    const std::size_t least = std::min({vector, gathered, scattered});
    if (sizeof(void*) < 8 && least <= least_large) {
        GTEST_SKIP() << "frames of 32 bits have windows of " << least << " elements here";
    }
    ASSERT_GT(least, least_large);
    EXPECT_RANKS(ranks, [=, ranks = ranks, arena = arena](Node& node) {
        Calls calls(node, arena);
        std::uint64_t made = 0;
        for (const std::size_t count : {least_large, vector - 1, vector, vector + 1}) {
            if (ranks > 8 && count == vector) continue;
            calls.vectors(count, root);
            calls.vectors(count, static_cast<int>(made) % node.size());
            made += 6;
        }
        if (ranks <= 8) {  // more windows than frames, and a rest
            calls.vectors(5 * vector + 77, 0);
            made += 3;
        }
        for (const std::size_t count : {least_large, scattered, scattered + 1}) {
            calls.blocks(count);
            made += 2;
        }
        if (!arena) {
            calls.blocks(gathered + 1);
            made += 2;
        }
        EXPECT_EQ(calls_by_domains(node), made) << "calls by domains";
    });
}

INSTANTIATE_TEST_SUITE_P(
    On, Domains,
    testing::Values(Setting{"l3:2 core:2", 4, false}, Setting{"l3:2 core:2", 4, true},
                    Setting{"package:2 numa:2 core:2", 8, false},
                    Setting{"package:2 numa:2 core:2", 8, true}, Setting{"l3:3 core:3", 7, false},
                    Setting{"l3:3 core:3", 7, true}, Setting{"package:2 l3:3 core:2", 12, false},
                    Setting{"package:2 numa:2 l3:2 core:2", 16, false},
                    Setting{"package:2 numa:2 l3:2 core:2", 16, true}));

TEST(DomainsOfThisMachine, AreNoneWhereRanksAreNotBound) {
    const Machine here("");
    EXPECT_RANKS(3, [](Node& node) {
        Calls calls(node, false);
        calls.vectors(40'000, 1);
        calls.blocks(3'000);
        EXPECT_TRUE(calls_by_domains(node) == 0 ||
                    node.endpoint().memory().line(0).place.l3 != os::CpuPlace::several);
    });
}

TEST(DomainsOfAMachine, AreOfNoUseToReduceWhereRanksAreDealtOutRoundRobin) {
    const Machine there("l3:4 core:1");
    EXPECT_RANKS(8, [](Node& node) {
        Calls calls(node, false);
        calls.vectors(20'000, 5);
        EXPECT_EQ(calls_by_domains(node), 2U) << "allreduce and bcast";
        calls.blocks(1'000);
        EXPECT_EQ(calls_by_domains(node), 3U) << "and allgather";
    });
}

TEST(DomainsOfAMachine, AreOfNoUseToFewRanks) {
    const Machine there("l3:4 core:1");
    for (const int ranks : {1, 2, 4}) {
        EXPECT_RANKS(ranks, [](Node& node) {
            Calls calls(node, false);
            calls.vectors(20'000, 0);
            EXPECT_EQ(calls_by_domains(node), 0U);
        });
    }
}

TEST(DomainsOfAMachine, NeedNotLookAlikeToAllRanks) {
    // Each says for itself where it is; all go by what all have said.
    EXPECT_RANKS(6, [] {
        const int rank = std::atoi(std::getenv("ONECOPY_RANK"));
        const Machine there(rank % 3 == 0 ? "l3:2 core:3" : rank % 3 == 1 ? "numa:3 core:2" : "");
        Node node;
        Calls calls(node, rank % 2 == 0);
        calls.vectors(30'000, 4);
        calls.blocks(3'000);
    });
}

TEST(DomainsOfAMachine, AreThoseOfTheMembersInEachCommunicator) {
    const Machine there("package:2 core:4");
    EXPECT_RANKS(8, [](Node& node) {
        // Four of one package each, in the other order; and two of each package.
        Communicator near = node.world().split(node.rank() / 4, -node.rank());
        Communicator far = node.world().split(node.rank() / 2 % 2, node.rank());
        for (Communicator* const each : {&near, &far}) {
            std::vector<std::int64_t> from(30'000, node.rank() + 1), to(from.size());
            each->allreduce(from, to, Op::sum);
            std::int64_t wanted = 0;
            for (int rank = 0; rank < 8; ++rank) {
                const bool in = each == &near ? rank / 4 == node.rank() / 4
                                              : rank / 2 % 2 == node.rank() / 2 % 2;
                wanted += in ? rank + 1 : 0;
            }
            EXPECT_TRUE(std::ranges::all_of(to, [&](std::int64_t got) { return got == wanted; }));
            auto& group = *static_cast<Group*>(each->context().above.get());
            const schedule::Domains* const domains = group.places().domains();
            EXPECT_EQ(domains != nullptr ? domains->count(1) : 1, each == &near ? 1 : 2);
        }
    });
}

TEST(DomainsOfAMachine, ManyRanksAreManyPhases) {
    if (sizeof(void*) == 4) GTEST_SKIP() << "there is no room for the frames of so many";
    // More than are looked at one by one: what is shown to others is estimated.
    const Machine there("package:2 numa:2 l3:4 core:5");
    EXPECT_RANKS(70, [](Node& node) {
        Calls calls(node, false);
        calls.vectors(3'000, 41);
        calls.vectors(20'000, 3);
        calls.blocks(600);
        EXPECT_EQ(calls_by_domains(node), 8U);
    });
}

TEST(DomainsOfAMachine, WordsThatDescribeNoneAreRefusedInOneLine) {
    EXPECT_RANKS(1, [] {
        const Machine there("l3:2 socks:2");
        try {
            const Node node;
            ADD_FAILURE() << "joined";
        } catch (const std::system_error& error) {
            EXPECT_EQ(error.code(), std::errc::invalid_argument);
            EXPECT_EQ(
                std::string(error.what())
                    .find(
                        "onecopy: read ONECOPY_TOPOLOGY: \"l3:2 socks:2\" describes no machine; "),
                0U)
                << error.what();
        }
    });
}

}  // namespace
}  // namespace onecopy
