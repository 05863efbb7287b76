// Ranks that choose differently understand each other, whichever way each would take; and the texts
// in which ways are written down.
#include "node/ways.hpp"

#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "node/ways_file.hpp"
#include "troubles.hpp"

namespace onecopy {
namespace {

const std::vector<std::string> all_settings{
    "unmapped=call", "unmapped=both-call,shared-from=1", "unmapped=staged,slot=32K,slots=16",
    "unmapped=staged,slot=4K,slots=2,shared-from=1024G",
    "unmapped=call/both-call/staged/call/both-call/staged,slot=8K,slots=3"};

/// Two ranks, each with settings of its own.
std::function<void()> with_settings(const std::string& of_0, const std::string& of_1,
                                    const std::function<void(Node&)>& body) {
    return [=] {
        const bool first = std::string(std::getenv("ONECOPY_RANK")) == "0";
        ::setenv("ONECOPY_WAYS", (first ? of_0 : of_1).c_str(), 1);
        Node node;
        body(node);
    };
}

class Combination : public testing::TestWithParam<std::tuple<int, int>> {
protected:
    void run(const std::function<void(Node&)>& body) const {
        const auto [one, other] = GetParam();
        Ranks ranks(2, with_settings(all_settings[static_cast<std::size_t>(one)],
                                     all_settings[static_cast<std::size_t>(other)], body));
        EXPECT_TRUE(end_well(ranks, {0, 1}));
    }
};
INSTANTIATE_TEST_SUITE_P(Ways, Combination,
                         testing::Combine(testing::Range(0, 5), testing::Range(0, 5)));

constexpr std::array<std::size_t, 6> sizes{4097, 16'384, 65'537, 262'143, 1'000'003, 4'500'001};
constexpr std::size_t most = 4'500'001;

TEST_P(Combination, MessagesOfAllSizesArriveAndNothingBehindThem) {
    run([](Node& node) {
        Communicator& world = node.world();
        std::vector<std::byte> memory(most + 64);
        unsigned seed = 0;
        for (const std::size_t bytes : sizes) {
            ++seed;
            // Each once as the sender; longer and shorter than what it goes to.
            for (const int sender : {0, 1}) {
                for (const std::size_t room : {bytes, bytes + 64, bytes / 2 + 3}) {
                    if (world.rank() == sender) {
                        test::fill(std::span(memory).first(bytes), seed);
                        world.send(std::span(memory).first(bytes), 1 - sender, 0);
                        continue;
                    }
                    std::fill(memory.begin(), memory.end(), std::byte{0xaa});
                    std::error_code error;
                    world.recv(std::span(memory).first(room), sender, 0, error);
                    EXPECT_EQ(error == Errc::truncated, room < bytes) << error.message();
                    const std::size_t come = std::min(room, bytes);
                    EXPECT_TRUE(has_pattern(std::span(memory).first(come), seed)) << bytes;
                    EXPECT_TRUE(std::all_of(memory.begin() + static_cast<std::ptrdiff_t>(come),
                                            memory.end(),
                                            [](std::byte b) { return b == std::byte{0xaa}; }))
                        << bytes;
                }
            }
        }
        world.barrier();
    });
}

TEST_P(Combination, ManyMessagesOfManyPiecesGoBothWaysAtOnce) {
    run([](Node& node) {
        Communicator& world = node.world();
        const int other = 1 - world.rank();
        constexpr std::size_t count = 4;
        std::vector<std::vector<std::byte>> out(count), in(count);
        for (std::size_t round = 0; round < sizes.size(); ++round) {
            const std::size_t bytes = sizes[round];
            std::vector<Request> requests;
            std::vector<std::vector<Segment>> lists;
            lists.reserve(2 * count);
            const auto pieces = [&](std::vector<std::byte>& all, std::size_t number) {
                std::vector<Segment>& list = lists.emplace_back();
                const std::size_t piece = 1 + bytes / number;
                for (std::size_t at = 0; at < bytes; at += piece) {
                    list.push_back(std::span(all).subspan(at, std::min(piece, bytes - at)));
                }
                return std::span<const Segment>(list);
            };
            for (std::size_t i = 0; i < count; ++i) {
                const auto seed = static_cast<unsigned>(round * 10 + i);
                in[i].assign(bytes, std::byte{0});
                out[i].resize(bytes);
                test::fill(std::span(out[i]), seed + static_cast<unsigned>(world.rank()));
                requests.push_back(world.irecv(pieces(in[i], 1 + i * 3), other, 0));
            }
            for (std::size_t i = 0; i < count; ++i) {
                const std::span<const Segment> list = pieces(out[i], 1 + (count - i) * 40);
                const std::vector<ConstSegment> given(list.begin(), list.end());
                requests.push_back(world.isend(given, other, 0));
            }
            wait_all(requests);
            for (std::size_t i = 0; i < count; ++i) {
                const auto seed = static_cast<unsigned>(round * 10 + i);
                EXPECT_TRUE(has_pattern(in[i], seed + static_cast<unsigned>(other))) << bytes;
            }
        }
        world.barrier();
    });
}

TEST_P(Combination, AReceiverOfADeadSenderIsToldAndASenderToADeadReceiverToo) {
    for (const int dying : {0, 1}) {
        const auto [one, other] = GetParam();
        Ranks ranks(
            2, with_settings(all_settings[static_cast<std::size_t>(one)],
                             all_settings[static_cast<std::size_t>(other)], [dying](Node& node) {
                                 Communicator& world = node.world();
                                 std::vector<std::byte> memory(3'000'000);
                                 world.barrier();
                                 std::error_code error;
                                 for (int round = 0; !error; ++round) {
                                     if (world.rank() == dying && round == 20) die();
                                     if (world.rank() == 0) {
                                         world.send(memory, 1, 0, error);
                                     } else {
                                         world.recv(memory, 0, 0, error);
                                     }
                                 }
                                 EXPECT_EQ(error, Errc::peer_died) << error.message();
                             }));
        EXPECT_TRUE(end_well(ranks, {1 - dying}));
    }
}

/// The bytes that rank 0 sent, by who copied them: filled by both in shared memory.
struct Tally {
    std::atomic<std::uint64_t> helped, called, staged, mapped;
};

/// Within the deadlock guard: with other work on the machine ranks may be taken for too many.
bool is_time_left(steady_clock::time_point begin) {
    return steady_clock::now() < begin + milliseconds(guard_ms / 2);
}

/// `messages` of `bytes` from ordinary memory; or as many as it takes until `enough` (a look of
/// rank 0's) says so.
void count(Tally& tally, std::size_t bytes, int messages, const std::string& settings,
           const std::function<bool(const NodeCounters&)>& enough = {}) {
    Ranks ranks(2, with_settings(settings, settings, [&](Node& node) {
                    Communicator& world = node.world();
                    std::vector<std::byte> memory(bytes);
                    const auto begin = steady_clock::now();
                    world.barrier();
                    for (int i = 0, go_on = 1; (enough || i < messages) && go_on != 0; ++i) {
                        if (world.rank() == 0) {
                            world.send(memory, 1, 0);
                            if (enough && (enough(node.counters()) || !is_time_left(begin)))
                                go_on = 0;
                            world.send(std::span(&go_on, 1), 1, 1);
                        } else {
                            world.recv(memory, 0, 0);
                            world.recv(std::span(&go_on, 1), 0, 1);
                        }
                    }
                    const NodeCounters seen = node.counters();
                    if (world.rank() == 0) {
                        tally.helped = seen.helped_bytes;
                    } else {
                        tally.called = seen.called_bytes;
                        tally.staged = seen.staged_bytes;
                        tally.mapped = seen.mapped_bytes;
                    }
                }));
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}

TEST(Ways, EachByteIsCountedWhereItWasCopied) {
    const os::Mapping shared(4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    Tally& tally = *reinterpret_cast<Tally*>(shared.data());
    constexpr std::size_t bytes = 1'000'000;
    constexpr std::uint64_t all = 20 * bytes;
    count(tally, bytes, 20, "unmapped=call");
    EXPECT_EQ(tally.called, all);
    EXPECT_EQ(tally.helped + tally.staged + tally.mapped, 0U);
    count(tally, bytes, 20, "unmapped=both-call");
    EXPECT_EQ(tally.called + tally.helped, all);
    EXPECT_EQ(tally.staged + tally.mapped, 0U);
    count(tally, bytes, 20, "unmapped=staged");
    EXPECT_EQ(tally.called + tally.staged, all);
    EXPECT_EQ(tally.helped, tally.staged);
    EXPECT_EQ(tally.mapped, 0U);
}

TEST(Ways, BothSidesCopyWhereThatWasAskedFor) {
    const os::Mapping shared(4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    Tally& tally = *reinterpret_cast<Tally*>(shared.data());
    for (const char* const settings : {"unmapped=both-call", "unmapped=staged"}) {
        count(tally, 8 << 20, 0, settings,
              [](const NodeCounters& seen) { return seen.helped_bytes > 0; });
        EXPECT_GT(tally.helped, 0U) << settings;
    }
}

// The sender may not write where the receiver may read.
TEST(Ways, AHelperThatIsRefusedCostsTheMessageNothing) {
    Ranks ranks(
        2, with_settings("unmapped=both-call", "unmapped=both-call", [](Node& node) {
            Communicator& world = node.world();
            std::vector<std::byte> memory(5'000'000);
            world.barrier();
            for (unsigned round = 0; round < 30; ++round) {
                if (world.rank() == 0) {
                    // It has helped before, so that nobody asks whether it may.
                    const std::array<test::Refusal, 3> refused{{{SYS_process_vm_writev, EPERM},
                                                                {SYS_pwrite64, EPERM},
                                                                {SYS_pwritev, EPERM}}};
                    const int error = round == 10 ? test::refuse(refused) : 0;
                    EXPECT_EQ(error, 0);
                    test::fill(std::span(memory), round);
                    world.send(memory, 1, 0);
                } else {
                    world.recv(memory, 0, 0);
                    EXPECT_TRUE(has_pattern(memory, round)) << round;
                }
            }
        }));
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}

TEST(Ways, WrongSettingsInTheEnvironmentAreOneClearError) {
    for (const std::string wrong :
         {"unmapped=fast", "unmapped=", "unmapped", "slot=1K", "slot=64K", "slots=1", "slots=17",
          "slots=8x", "slots=-8", "shared-from=0", "shared-from=2048G", "shared-from=x", "way=call",
          "unmapped=call/call", "unmapped=call/call/call/call/call/call/call", ",", "slots=8,,"}) {
        Ranks ranks(1, [&wrong] {
            ::setenv("ONECOPY_WAYS", wrong.c_str(), 1);
            try {
                const Node node;
                ADD_FAILURE() << wrong << " was taken";
            } catch (const std::system_error& error) {
                const std::string text = error.what();
                EXPECT_EQ(error.code().value(), EINVAL);
                EXPECT_NE(text.find("read ONECOPY_WAYS: \""), std::string::npos) << text;
                EXPECT_NE(text.find("unmapped=call|both-call|staged"), std::string::npos) << text;
                EXPECT_EQ(text.find('\n'), std::string::npos) << text;
            }
        });
        EXPECT_TRUE(end_well(ranks, {0}));
    }
}

TEST(Ways, SettingsAreReadBackAsTheyWereWritten) {
    node::Ways ways;
    EXPECT_EQ(node::settings_text(ways), "unmapped=staged,shared-from=64K,slot=32K,slots=8");
    for (const std::string& settings : all_settings) {
        std::string_view wrong;
        ASSERT_TRUE(node::apply_settings(settings, ways, wrong)) << wrong;
        node::Ways again;
        ASSERT_TRUE(node::apply_settings(node::settings_text(ways), again, wrong)) << wrong;
        EXPECT_EQ(again, ways) << settings;
    }
}

node::MeasuredWays some_ways() {
    node::MeasuredWays ways;
    ways.measured = {false, true, true, false, true};
    ways.table[1].unmapped = {node::Unmapped::call, node::Unmapped::both_call};
    ways.table[2].slot_bytes = 8192;
    ways.table[4].shared_from = 12345;
    ways.schedules_measured = {false, true};
    ways.schedules[1].of(schedule::Collective::scan, node::Reach::frames)[3] = {
        schedule::Form::redundant, 12};
    return ways;
}

bool reads(std::string_view text, node::MeasuredWays& ways, std::string_view machine = "this") {
    std::string why;
    node::read_file_text(text, machine, ways, why);
    return why.empty();
}

TEST(WaysFile, IsReadBackAsItWasWritten) {
    const node::MeasuredWays ways = some_ways();
    node::MeasuredWays again;
    ASSERT_TRUE(reads(node::file_text(ways, "this"), again));
    EXPECT_EQ(again.table, ways.table);
    EXPECT_EQ(again.measured, ways.measured);
    EXPECT_EQ(again.schedules, ways.schedules);
    EXPECT_EQ(again.schedules_measured, ways.schedules_measured);
}

TEST(Schedules, WrongSettingsInTheEnvironmentAreOneClearError) {
    for (const std::string wrong :
         {"allreduce=pull:4K", "allreduce-mapped", "allreduce-mapped=", "allreduce-mapped=pull",
          "allreduce-mapped=pull:", "allreduce-mapped=pull:2K", "allreduce-mapped=pull:65M",
          "allreduce-mapped=pull:4097", "allreduce-mapped=domains:4K", "allreduce-mapped=fast:4K",
          "barrier-mapped=pull:4K", "scan-somewhere=pull:4K", "scan-mapped=pull:4K/pull:4K", ",",
          "-=:", "scan-mapped=pull:4K,,"}) {
        Ranks ranks(1, [&wrong] {
            ::setenv("ONECOPY_SCHEDULES", wrong.c_str(), 1);
            try {
                const Node node;
                ADD_FAILURE() << wrong << " was taken";
            } catch (const std::system_error& error) {
                const std::string text = error.what();
                EXPECT_EQ(error.code().value(), EINVAL);
                EXPECT_NE(text.find("read ONECOPY_SCHEDULES: \""), std::string::npos) << text;
                EXPECT_NE(text.find("allreduce-mapped=push:1M"), std::string::npos) << text;
                EXPECT_EQ(text.find('\n'), std::string::npos) << text;
            }
        });
        EXPECT_TRUE(end_well(ranks, {0}));
    }
}

TEST(Schedules, SettingsAreReadBackAsTheyWereWritten) {
    node::ScheduleTable table = node::built_in_schedules()[0];
    std::string_view wrong;
    ASSERT_TRUE(node::apply_settings("scan-frames=redundant:64M,bcast-mapped=pull:4K/push:8K/"
                                     "pull:12K/push:1M/pull:1K000/pull:4K",
                                     table, wrong) == false);
    EXPECT_EQ(wrong.find("bcast-mapped="), 0U) << wrong;
    ASSERT_TRUE(node::apply_settings(
        "bcast-mapped=pull:4K/push:8K/pull:12K/push:1M/pull:100K/pull:4K", table, wrong));
    const node::Schedule fourth{schedule::Form::push, 1024};
    EXPECT_EQ(table.of(schedule::Collective::bcast, node::Reach::mapped, 1 << 20), fourth);
    node::ScheduleTable again = node::built_in_schedules()[1];
    ASSERT_TRUE(node::apply_settings(node::settings_text(table), again, wrong)) << wrong;
    EXPECT_EQ(again, table);
}

TEST(WaysFile, NoBeginningOfItIsTrusted) {
    const std::string whole = node::file_text(some_ways(), "this");
    for (std::size_t bytes = 0; bytes < whole.size(); ++bytes) {
        node::MeasuredWays ways;
        EXPECT_FALSE(reads(whole.substr(0, bytes), ways)) << bytes;
        EXPECT_EQ(ways.table, node::WayTable{}) << bytes;
    }
}

TEST(WaysFile, AnotherMachinesOrVersionsOrDamagedOnesAreLeftAlone) {
    const std::string whole = node::file_text(some_ways(), "this");
    node::MeasuredWays ways;
    EXPECT_FALSE(reads(whole, ways, "that"));
    const std::string head = "onecopy tune 2 on this\n";
    EXPECT_TRUE(reads(head + "end\n", ways));
    for (const std::string& text : std::vector<std::string>{
             "onecopy tune 1 on this\nend\n", "end\n", "\n", std::string(5000, '\0'),
             head + "same-l3 slot=1G\nend\n", head + "same-l3 slots=4294967298\nend\n",
             head + "two-ranks scan-mapped=pull:4K\ntwo-ranks scan-mapped=pull:4K\nend\n",
             head + "two-ranks\nend\n", head + "three-ranks scan-mapped=pull:4K\nend\n",
             head + "more-ranks scan-mapped=domains:4K\nend\n", head + "same-l3\nend\n",
             head + "nearby slots=4\nend\n", head + "same-l3 slots=4\nsame-l3 slots=4\nend\n",
             head + "end\nend\n", head + "same-l3 slots=4\nend\n\n", head + "\nend\n",
             head + "same-l3  slots=4\nend\n",
             head + "same-l3 slots=4" + std::string(1, '\0') + "\nend\n"}) {
        EXPECT_FALSE(reads(text, ways)) << text;
        EXPECT_EQ(ways.table, node::WayTable{}) << text;
        EXPECT_EQ(ways.schedules, node::built_in_schedules()) << text;
    }
    // Each bit of it turned: read as something that may stand there, or left alone.
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
        std::string damaged = whole;
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
        node::MeasuredWays read;
        if (!reads(damaged, read)) continue;
        for (const node::Ways& each : read.table) {
            EXPECT_TRUE(each.slots >= 2 && each.slots <= node::stage_slots) << damaged;
            EXPECT_TRUE(each.slot_bytes >= 4096 && each.slot_bytes <= node::stage_slot_bytes)
                << damaged;
        }
    }
}

/// A home of its own, with this machine's file in it.
class WaysHome : public testing::Test {
protected:
    WaysHome() {
        home_ =
            std::filesystem::temp_directory_path() / ("onecopy-ways-" + std::to_string(getpid()));
        ::setenv("XDG_CACHE_HOME", home_.c_str(), 1);
        ::unsetenv("ONECOPY_WAYS");
        path_ = node::ways_path(node::machine_facts());
        std::filesystem::create_directories(std::filesystem::path(path_).parent_path());
    }
    ~WaysHome() override {
        ::unsetenv("XDG_CACHE_HOME");
        std::error_code error;
        std::filesystem::remove_all(home_, error);
    }
    void write(const std::string& text) const { std::ofstream(path_) << text; }
    void write_some() const { write(node::file_text(some_ways(), node::machine_facts())); }

    std::filesystem::path home_;
    std::string path_;
};

TEST_F(WaysHome, TheFileIsReadAndTheEnvironmentComesOnTopOfIt) {
    write_some();
    node::LoadedWays loaded = node::load_ways();
    EXPECT_EQ(loaded.table, some_ways().table);
    EXPECT_EQ(loaded.file, path_);
    ::setenv("ONECOPY_WAYS", "slots=3", 1);
    loaded = node::load_ways();
    ::unsetenv("ONECOPY_WAYS");
    for (std::size_t i = 0; i < os::distances; ++i) {
        node::Ways expected = some_ways().table[i];
        expected.slots = 3;
        EXPECT_EQ(loaded.table[i], expected);
    }
}

TEST_F(WaysHome, WithoutAFileOrAHomeTheDefaultsAreUsed) {
    EXPECT_EQ(node::load_ways().table, node::WayTable{});
    EXPECT_EQ(node::load_ways().ignored, "");
    ::setenv("XDG_CACHE_HOME", "relative", 1);
    const std::string home = std::getenv("HOME") != nullptr ? std::getenv("HOME") : "";
    ::unsetenv("HOME");
    EXPECT_EQ(node::ways_path("any"), "");
    EXPECT_EQ(node::load_ways().table, node::WayTable{});
    ::setenv("HOME", "/a/home", 1);
    EXPECT_EQ(node::ways_path("any").find("/a/home/.cache/onecopy/tune-"), 0U);
    ::setenv("HOME", home.c_str(), 1);
}

TEST_F(WaysHome, WhatIsNoFileOfThisUsersIsLeftAloneWithALine) {
    write_some();
    ASSERT_EQ(::chmod(path_.c_str(), 0666), 0);
    EXPECT_NE(node::load_ways().ignored, "");
    EXPECT_EQ(node::load_ways().table, node::WayTable{});
    std::filesystem::remove(path_);
    std::filesystem::create_directory(path_);
    EXPECT_NE(node::load_ways().ignored, "");
    std::filesystem::remove(path_);
    ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
    EXPECT_NE(node::load_ways().ignored, "");
    std::filesystem::remove(path_);
    std::filesystem::create_symlink("/dev/zero", path_);
    EXPECT_NE(node::load_ways().ignored, "");
    std::filesystem::remove(path_);
    write(node::file_text(some_ways(), node::machine_facts()) + std::string(1 << 20, '\n'));
    EXPECT_NE(node::load_ways().ignored, "");
    EXPECT_EQ(node::load_ways().table, node::WayTable{});
}

TEST_F(WaysHome, AnotherUsersFileIsLeftAlone) {
    ONECOPY_NEEDS_ROOT();
    write_some();
    ASSERT_EQ(::chown(path_.c_str(), test::nobody_in_particular, 0), 0);
    EXPECT_EQ(node::load_ways().ignored, path_ + ": others than this user may write to it");
    EXPECT_EQ(node::load_ways().table, node::WayTable{});
}

TEST_F(WaysHome, ARankUsesWhatTheFileSays) {
    node::MeasuredWays ways;
    for (node::Ways& each : ways.table) each.unmapped.fill(node::Unmapped::call);
    ways.measured.fill(true);
    write(node::file_text(ways, node::machine_facts()));
    EXPECT_RANKS(2, [](Node& node) {
        Communicator& world = node.world();
        std::vector<std::byte> memory(1'000'000);
        world.barrier();
        for (int i = 0; i < 10; ++i) {
            if (world.rank() == 0) {
                world.send(memory, 1, 0);
            } else {
                world.recv(memory, 0, 0);
            }
        }
        const std::uint64_t called = world.rank() == 1 ? 10'000'000 : 0;
        EXPECT_EQ(node.counters().called_bytes, called);
    });
}

TEST_F(WaysHome, ARankGoesByTheDistanceToTheOtherOne) {
    cpu_set_t usable;
    CPU_ZERO(&usable);
    ASSERT_EQ(::sched_getaffinity(0, sizeof usable, &usable), 0);
    std::vector<int> cpus;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &usable)) cpus.push_back(cpu);
    }
    if (cpus.size() < 2) GTEST_SKIP() << "needs two cores";
    const os::Distance between = os::distance_between(cpus.front(), cpus.back());
    node::MeasuredWays ways;
    for (node::Ways& each : ways.table) each.unmapped.fill(node::Unmapped::both_call);
    ways.table[static_cast<std::size_t>(between)].unmapped.fill(node::Unmapped::staged);
    ways.measured.fill(true);
    write(node::file_text(ways, node::machine_facts()));
    Ranks ranks(2, [&cpus] {
        const bool first = std::string(std::getenv("ONECOPY_RANK")) == "0";
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(first ? cpus.front() : cpus.back(), &one);
        ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
        Node node;
        Communicator& world = node.world();
        std::vector<std::byte> memory(8 << 20);
        world.barrier();
        // The sender's help goes through slots, once it comes in time.
        const auto begin = steady_clock::now();
        for (int go_on = 1; go_on != 0;) {
            if (first) {
                world.send(memory, 1, 0);
                world.recv(std::span(&go_on, 1), 1, 0);
            } else {
                world.recv(memory, 0, 0);
                const bool staged = node.counters().staged_bytes > 0;
                go_on = staged || !is_time_left(begin) ? 0 : 1;
                world.send(std::span(&go_on, 1), 0, 0);
                EXPECT_TRUE(staged || go_on != 0);
            }
        }
    });
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}

}  // namespace
}  // namespace onecopy
