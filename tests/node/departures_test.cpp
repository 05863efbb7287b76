// Ranks that die, leave, stop, or become another program.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "onecopy/communicator.hpp"
#include "os/mapping.hpp"
#include "os/process_status.hpp"
#include "ranks.hpp"
#include "support/child.hpp"
#include "support/sanitizers.hpp"

namespace onecopy {
namespace {

using test::die;
using test::Ranks;

char state_of(pid_t pid) {
    std::error_code error;
    return os::read_process_status(pid, error).state;
}

/// What a rank can wait in. Rank 2 dies; the others are in this.
struct Wait {
    const char* name;
    std::error_code (*run)(Communicator& world, std::vector<std::byte>& memory);
};

std::error_code in_recv(Communicator& world, std::vector<std::byte>& memory) {
    std::error_code error;
    world.recv(memory, 2, 0, error);
    return error;
}
std::error_code in_recv_from_any(Communicator& world, std::vector<std::byte>& memory) {
    std::error_code error;
    world.recv(memory, any_source, any_tag, error);
    return error;
}
std::error_code in_send(Communicator& world, std::vector<std::byte>& memory) {
    std::error_code error;
    world.send(memory, 2, 0, error);
    return error;
}
/// The one waits for the other, which is alive, and that one for the dead.
std::error_code in_a_chain(Communicator& world, std::vector<std::byte>& memory) {
    std::error_code error;
    world.recv(memory, world.rank() + 1, 0, error);
    return error;
}
std::error_code in_barrier(Communicator& world, std::vector<std::byte>& /*memory*/) {
    std::error_code error;
    world.barrier(error);
    return error;
}
std::error_code in_probe(Communicator& world, std::vector<std::byte>& /*memory*/) {
    std::error_code error;
    world.probe(2, 5, error);
    return error;
}
/// A large message that nobody receives: its sender gets its memory back.
std::error_code in_send_to_the_living(Communicator& world, std::vector<std::byte>& memory) {
    std::error_code error;
    world.send(memory, 1 - world.rank(), 9, error);
    return error;
}

class Death : public testing::TestWithParam<Wait> {};

TEST_P(Death, EndsEveryWaitOfItsCommunicator) {
    const auto run = GetParam().run;
    for (const bool late : {false, true}) {
        Ranks ranks(3, [run, late](Node& node) {
            Communicator& world = node.world();
            std::vector<std::byte> memory(100'000);
            // Whoever is out of it first may be dead before the others are.
            std::error_code ignored;
            world.barrier(ignored);
            if (world.rank() == 2) {
                if (late) std::this_thread::sleep_for(std::chrono::milliseconds(50));
                die();
            }
            EXPECT_EQ(run(world, memory), Errc::peer_died);
            // And nothing can be begun any more.
            std::error_code error;
            world.send(memory, 1 - world.rank(), 0, error);
            EXPECT_EQ(error, Errc::peer_died);
            world.recv(memory, 1 - world.rank(), 0, error);
            EXPECT_EQ(error, Errc::peer_died);
        });
        EXPECT_TRUE(ranks.wait().all_right({0, 1}));
    }
}

INSTANTIATE_TEST_SUITE_P(Waits, Death,
                         testing::Values(Wait{"recv", in_recv},
                                         Wait{"recv_from_any", in_recv_from_any},
                                         Wait{"send", in_send}, Wait{"chain", in_a_chain},
                                         Wait{"barrier", in_barrier}, Wait{"probe", in_probe},
                                         Wait{"send_to_the_living", in_send_to_the_living}),
                         [](const auto& which) { return std::string(which.param.name); });

TEST(Departures, ACommunicatorWithoutTheDeadGoesOn) {
    Ranks ranks(3, [](Node& node) {
        Communicator& world = node.world();
        Communicator pair = world.split(world.rank() == 2 ? 1 : 0);
        world.barrier();
        if (world.rank() == 2) die();
        std::error_code error;
        int value = world.rank();
        world.recv(std::as_writable_bytes(std::span(&value, 1)), 2, 0, error);
        EXPECT_EQ(error, Errc::peer_died);
        for (int i = 0; i < 100; ++i) pair.barrier();
        // One that is made after the death, of the living alone, is whole.
        Communicator again = pair.dup();
        again.barrier();
    });
    EXPECT_TRUE(ranks.wait().all_right({0, 1}));
}

TEST(Departures, TheSurvivorsShrinkAndGoOn) {
    Ranks ranks(5, [](Node& node) {
        Communicator all = node.world().dup();
        std::error_code error;
        for (int victim : {0, 2}) {  // the first of all, then one among four: rank 3 of the world
            // Not before the others are done with what came before.
            std::byte byte{};
            if (all.rank() == victim) {
                for (int i = 1; i < all.size(); ++i) all.recv(Segment(&byte, 1), any_source, 9);
                die();
            }
            all.send(Segment(&byte, 1), victim, 9);
            while (!error) all.barrier(error);
            EXPECT_EQ(error, Errc::peer_died);
            error.clear();
            Communicator rest = all.shrink();
            EXPECT_EQ(rest.size(), all.size() - 1);
            EXPECT_EQ(rest.rank(), all.rank() - (all.rank() > victim ? 1 : 0));
            rest.barrier();
            int from = -1;
            const int own = node.rank();
            rest.sendrecv(std::as_bytes(std::span(&own, 1)), (rest.rank() + 1) % rest.size(), 0,
                          std::as_writable_bytes(std::span(&from, 1)),
                          (rest.rank() + rest.size() - 1) % rest.size(), 0);
            EXPECT_NE(from, own);
            all = std::move(rest);
        }
    });
    EXPECT_TRUE(ranks.wait().all_right({1, 2, 4}));
}

TEST(Departures, DeathsWhileTheSurvivorsAgreeLeaveOneCommunicatorOfTheLast) {
    std::mt19937 random(17);
    for (int round = 0; round < 20; ++round) {
        const unsigned seed = static_cast<unsigned>(random());
        Ranks ranks(6, [seed](Node& node) {
            Communicator all = node.world().dup();
            std::mt19937 own(seed + static_cast<unsigned>(node.rank()));
            const bool dies = node.rank() < 3;
            std::thread killer;
            if (dies) {
                killer = std::thread([moment = own() % 3000] {
                    ::usleep(static_cast<useconds_t>(moment));
                    die();
                });
            }
            // Until the three that live are alone.
            while (all.size() > 3 || dies) {
                std::error_code error;
                while (!error) all.barrier(error);
                all = all.shrink();
            }
            for (int i = 0; i < 10; ++i) all.barrier();
            EXPECT_EQ(all.rank(), node.rank() - 3);
        });
        ASSERT_TRUE(ranks.wait().all_right({3, 4, 5})) << round;
    }
}

TEST(Departures, ARankThatBecomesAnotherProgramHasEnded) {
    Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        world.barrier();
        if (world.rank() == 1) {
            ::execl("/bin/sleep", "sleep", "1000", static_cast<char*>(nullptr));
            ::_exit(1);
        }
        std::error_code error;
        std::byte byte{};
        world.recv(Segment(&byte, 1), 1, 0, error);
        EXPECT_EQ(error, Errc::peer_died);
    });
    // Rank 0 reports; the sleeping program ends with the test.
    int status = -1;
    EXPECT_TRUE(test::eventually([&] { return ::waitpid(ranks.pid(0), &status, WNOHANG) != 0; }));
    EXPECT_EQ(status, 0);
}

TEST(Departures, TheThreadThatJoinedMayEndAndTheRankLives) {
    NodeOptions options;
    options.threads = true;
    // The body's Node is made by the main thread; so this rank's life is carried on by another one.
    Ranks ranks(
        2,
        [](Node& node) {
            Communicator& world = node.world();
            if (world.rank() == 1) {
                const auto other = [&world] {
                    // Silent for longer than anybody looks away.
                    std::this_thread::sleep_for(std::chrono::milliseconds(200));
                    bool good = true;
                    for (int i = 0; i < 100 && good; ++i) {
                        std::error_code error;
                        world.send(std::as_bytes(std::span(&i, 1)), 0, 0, error);
                        good = !error;
                    }
                    std::error_code error;
                    world.barrier(error);
                    ::_exit(good && !error ? 0 : 1);
                };
                std::thread(other).detach();
                ::syscall(SYS_exit, 0);  // this thread alone, without unwinding its stack
            }
            for (int i = 0; i < 100; ++i) {
                int value = -1;
                world.recv(std::span(&value, 1), 1, 0);
                EXPECT_EQ(value, i);
            }
            world.barrier();
        },
        options);
    EXPECT_TRUE(ranks.wait().all_right());
}

TEST(Departures, ARankThatLeavesEarlyEndsOnlyWhatWaitsForIt) {
    Ranks ranks(3, [](Node& node) {
        Communicator& world = node.world();
        std::byte byte{1};
        if (world.rank() == 2) {
            world.send(Segment(&byte, 1), 0, 0);
            return;  // and leaves
        }
        if (world.rank() == 0) {
            // What it sent before is there.
            world.recv(Segment(&byte, 1), 2, 0);
            std::error_code error;
            world.recv(Segment(&byte, 1), 2, 0, error);
            EXPECT_EQ(error, Errc::peer_left);
            world.probe(2, 0, error);
            EXPECT_EQ(error, Errc::peer_left);
            std::vector<std::byte> large(100'000);
            world.send(large, 2, 0, error);
            EXPECT_EQ(error, Errc::peer_left);
            // The others go on, and from any source there is somebody left.
            world.send(Segment(&byte, 1), 1, 1);
            world.recv(Segment(&byte, 1), any_source, any_tag);
        } else {
            world.recv(Segment(&byte, 1), 0, 1);
            world.send(Segment(&byte, 1), 0, 1);
        }
    });
    EXPECT_TRUE(ranks.wait().all_right());
}

TEST(Departures, ALargeMessageToARankThatLeavesComesBack) {
    Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        if (world.rank() == 1) {
            world.barrier();
            return;
        }
        std::vector<std::byte> large(100'000);
        Request request = world.isend(large, 1, 0);
        world.barrier();
        std::error_code error;
        request.wait(error);
        EXPECT_EQ(error, Errc::peer_left);
        // Nobody else is there: not from any source either.
        world.recv(large, any_source, any_tag, error);
        EXPECT_EQ(error, Errc::peer_left);
    });
    EXPECT_TRUE(ranks.wait().all_right());
}

TEST(Departures, AStoppedRankIsNotDeadAndWhoWaitsForItSleeps) {
    Ranks ranks(3, [](Node& node) {
        Communicator& world = node.world();
        std::byte byte{};
        world.barrier();
        if (world.rank() == 2) {
            ::raise(SIGSTOP);
            world.send(Segment(&byte, 1), 0, 0);
        } else if (world.rank() == 0) {
            world.recv(Segment(&byte, 1), 2, 0);
        } else {
            std::vector<std::byte> large(100'000);
            world.send(large, 2, 1);
        }
        if (world.rank() == 2) {
            std::vector<std::byte> large(100'000);
            world.recv(large, 1, 1);
        }
        world.barrier();
    });
    EXPECT_TRUE(test::eventually([&] { return state_of(ranks.pid(2)) == 'T'; }));
    for (const int rank : {0, 1}) {
        EXPECT_TRUE(test::eventually([&] { return state_of(ranks.pid(rank)) == 'S'; }));
    }
    // Everybody at once, for a while, as a suspended job.
    for (const int rank : {0, 1}) ::kill(ranks.pid(rank), SIGSTOP);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    for (const int rank : {0, 1}) ::kill(ranks.pid(rank), SIGCONT);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    ::kill(ranks.pid(2), SIGCONT);
    EXPECT_TRUE(ranks.wait().all_right());
}

/// Traffic of all kinds, until something fails: what.
std::error_code traffic(Node& node, unsigned seed, std::atomic<int>& begun) {
    Communicator& world = node.world();
    ++begun;
    std::mt19937 random(seed);
    void* const block = node.arena().allocate(1 << 20);
    const Segment arena(static_cast<std::byte*>(block), 1 << 20);
    std::vector<std::byte> ordinary(1 << 18), other(1 << 20);
    std::error_code error;
    while (!error) {
        // The same for all: everybody knows what everybody does.
        const int distance =
            1 + static_cast<int>(random() % static_cast<unsigned>(world.size() - 1));
        const int to = (world.rank() + distance) % world.size();
        const int from = (world.rank() + world.size() - distance) % world.size();
        const bool in_arena = random() % 2 == 0;
        const std::size_t bytes = random() % 3 == 0 ? random() % (1 << 18) : random() % 5000;
        const ConstSegment out = in_arena ? arena.first(bytes) : Segment(ordinary).first(bytes);
        switch (random() % 4) {
            case 0:
                world.barrier(error);
                break;
            case 1: {
                const Segment in = in_arena ? arena.subspan(1 << 19, bytes) : Segment(other);
                world.sendrecv(out, to, 0, in, from, 0, error);
                break;
            }
            default: {
                Request receive = world.irecv(other, any_source, 1);
                Request send = world.isend(out, to, 1);
                send.wait(error);
                std::error_code received;
                receive.wait(received);
                if (!error) error = received;
                if (!error) world.barrier(error);
            }
        }
    }
    return error;
}

TEST(Departures, SurvivorsOfADeathAtAnyMomentOfTrafficLearnOfIt) {
    const char* const asked = std::getenv("ONECOPY_ROUNDS");
    const int rounds = asked != nullptr ? 10 * std::atoi(asked) : 20;
    std::mt19937 random(11);
    for (int round = 0; round < rounds; ++round) {
        const int count = 2 + static_cast<int>(random() % 3);
        const int victim = static_cast<int>(random() % static_cast<unsigned>(count));
        const unsigned seed = static_cast<unsigned>(random());
        const os::Mapping shared(sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                                 MAP_SHARED | MAP_ANONYMOUS);
        auto& begun = *reinterpret_cast<std::atomic<int>*>(shared.data());
        const auto moment = std::chrono::microseconds(random() % 30'000);
        Ranks ranks(count, [seed, &begun](Node& node) {
            EXPECT_EQ(traffic(node, seed, begun), Errc::peer_died);
        });
        // A rank that never joins is its launcher's business.
        ASSERT_TRUE(test::eventually([&] { return begun == count; }));
        std::this_thread::sleep_for(moment);
        ::kill(ranks.pid(victim), SIGKILL);
        std::vector<int> survivors;
        for (int rank = 0; rank < count; ++rank) {
            if (rank != victim) survivors.push_back(rank);
        }
        ASSERT_TRUE(ranks.wait().all_right(survivors)) << "round " << round;
    }
}

}  // namespace
}  // namespace onecopy
