// Findings of a review: each of these is red on the code it was written against.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "node/endpoint.hpp"
#include "onecopy/communicator.hpp"
#include "os/mapping.hpp"
#include "ranks.hpp"
#include "support/memory.hpp"
#include "support/rights.hpp"

namespace onecopy {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::Ranks;

constexpr int guard_ms = 8000;

/// Whether these ranks ended with status 0 before the guard; says how if not.
bool end_well(Ranks& ranks, const std::vector<int>& which, int guard = guard_ms) {
    const auto end = steady_clock::now() + milliseconds(guard);
    bool good = true;
    for (const int rank : which) {
        int status = 0;
        pid_t got = 0;
        while ((got = ::waitpid(ranks.pid(rank), &status, WNOHANG)) == 0) {
            if (steady_clock::now() > end) {
                std::fprintf(stderr, "rank %d hangs\n", rank);
                good = false;
                break;
            }
            ::usleep(500);
        }
        if (got > 0 && status != 0) {
            std::fprintf(stderr, "rank %d ended with %#x\n", rank, static_cast<unsigned>(status));
            good = false;
        }
    }
    return good;
}

bool has_pattern(std::span<const std::byte> bytes, unsigned seed) {
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        if (bytes[i] != test::pattern(seed, i)) return false;
    }
    return true;
}

[[noreturn]] void die() {
    ::raise(SIGKILL);
    ::_exit(1);
}

// --- 1: who only tests never looks for the dead.
TEST(Review, ARankThatOnlyTestsLearnsOfADeath) {
    Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        world.barrier();
        if (world.rank() == 1) die();
        std::byte byte{};
        Request request = world.irecv(Segment(&byte, 1), 1, 0);
        std::error_code error;
        while (!request.test(error)) {
        }
        EXPECT_EQ(error, Errc::peer_died);
    });
    EXPECT_TRUE(end_well(ranks, {0}));
}
TEST(Review, ARankThatOnlyProbesLearnsOfADeath) {
    Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        world.barrier();
        if (world.rank() == 1) die();
        std::error_code error;
        while (!world.iprobe(1, 0, error) && !error) {
        }
        EXPECT_EQ(error, Errc::peer_died);
    });
    EXPECT_TRUE(end_well(ranks, {0}));
}

// --- 2: communicator.hpp says that its sender waits until it is destroyed.
TEST(Review, AMatchedLargeMessageThatIsDestroyedLetsItsSenderGo) {
    Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        std::vector<std::byte> memory(100'000);
        if (world.rank() == 0) {
            std::error_code error;
            world.send(memory, 1, 0, error);
        } else {
            { const Message message = world.mprobe(0, 0); }
        }
        world.barrier();
    });
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}

// --- 3: a peer that cannot be read, and a list that is.
void hide() {
    ASSERT_EQ(test::become(test::user()), 0);
    ASSERT_EQ(::prctl(PR_SET_DUMPABLE, 0), 0);
}
void many_pieces_hidden(Node& node, bool early) {
    Communicator& world = node.world();
    std::vector<std::byte> memory(100 * 1000);
    std::vector<ConstSegment> list;
    for (std::size_t i = 0; i < 100; ++i) list.emplace_back(memory.data() + 1000 * i, 1000);
    hide();
    world.barrier();
    std::error_code error;
    if (world.rank() == 0) {
        test::fill(memory, 5);
        Request request = world.isend(std::span<const ConstSegment>(list), 1, 0);
        if (early) world.barrier();
        request.wait(error);
        EXPECT_FALSE(error) << error.message();
    } else {
        if (early) world.barrier();
        world.recv(memory, 0, 0, error);
        EXPECT_FALSE(error) << error.message();
        EXPECT_TRUE(has_pattern(memory, 5));
    }
}
TEST(Review, ManyPiecesArriveFromAPeerThatCannotBeRead) {
    ONECOPY_NEEDS_ROOT();
    Ranks ranks(2, [](Node& node) { many_pieces_hidden(node, false); });
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}
TEST(Review, ManyPiecesThatCameBeforeTheirReceiveFromAPeerThatCannotBeReadAreNotLost) {
    ONECOPY_NEEDS_ROOT();
    Ranks ranks(2, [](Node& node) { many_pieces_hidden(node, true); });
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}
TEST(Review, APieceOfTheArenaAndAnOrdinaryOneArriveFromAPeerThatCannotBeRead) {
    ONECOPY_NEEDS_ROOT();
    Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        auto* const arena = static_cast<std::byte*>(node.arena().allocate(100'000, 64));
        std::vector<std::byte> ordinary(100'000), whole(200'000);
        test::fill(whole, 7);
        std::copy_n(whole.begin(), 100'000, arena);
        std::copy_n(whole.begin() + 100'000, 100'000, ordinary.begin());
        // The arena is attached while it may be.
        if (world.rank() == 0) world.send(ConstSegment(arena, 100'000), 1, 1);
        if (world.rank() == 1) world.recv(ordinary, 0, 1);
        world.barrier();
        hide();
        world.barrier();
        std::error_code error;
        if (world.rank() == 0) {
            const std::array<ConstSegment, 2> list{ConstSegment(arena, 100'000), ordinary};
            world.send(std::span<const ConstSegment>(list), 1, 2, error);
        } else {
            std::vector<std::byte> in(200'000);
            world.recv(in, 0, 2, error);
            EXPECT_TRUE(error || in == whole);
        }
        EXPECT_FALSE(error) << error.message();
    });
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}

// --- 4: who is refused has overwritten who is there.
TEST(Review, WhoIsRefusedAsARankDoesNotSpoilTheOneThatIsThere) {
    Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        std::vector<std::byte> memory(100'000);
        if (world.rank() == 0) {
            // As a program that a rank starts by system(3), with its environment.
            const pid_t child = ::fork();
            if (child == 0) {
                try {
                    const Node second;
                } catch (const std::system_error& error) {
                    ::_exit(error.code() == std::errc::file_exists ? 0 : 1);
                }
                ::_exit(2);
            }
            int status = -1;
            ::waitpid(child, &status, 0);
            EXPECT_EQ(status, 0);
            EXPECT_EQ(node.endpoint().memory().line(0).pid, ::getpid());
            test::fill(memory, 3);
        }
        world.barrier();
        std::error_code error;
        if (world.rank() == 0) {
            // (The receiver alone: by the sender's pid.)
            Request request = world.isend(memory, 1, 0);
            while (!request.test(error)) ::usleep(100);
        } else {
            world.recv(memory, 0, 0, error);
            EXPECT_TRUE(has_pattern(memory, 3));
        }
        EXPECT_FALSE(error) << error.message();
    });
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}

/// Rank 0 of a job of one, without a Node made for it.
int as_a_rank(int (*body)()) {
    const node::JobMemory memory = node::JobMemory::create(2);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::setenv("ONECOPY_JOB", ("fd:" + std::to_string(memory.fd())).c_str(), 1);
        ::setenv("ONECOPY_RANK", "0", 1);
        ::_exit(body());
    }
    int status = -1;
    ::waitpid(pid, &status, 0);
    return status;
}

TEST(Review, ARankThatHasLeftCannotComeBackToItsOldMessages) {
    // `onecopy run -- sh -c "./one; ./two"`
    EXPECT_EQ(as_a_rank([] {
                  {
                      Node first;
                      std::byte byte{};
                      Request request = first.world().isend(Segment(&byte, 1), 0, 3);
                      request.wait();
                  }
                  try {
                      Node second;
                      return second.world().iprobe(any_source, any_tag) ? 2 : 1;
                  } catch (const std::system_error&) {
                      return 0;
                  }
              }),
              0);
}

TEST(Review, ANodeMayBeDestroyedByAnotherThreadThanMadeIt) {
    EXPECT_EQ(as_a_rank([] {
                  NodeOptions options;
                  options.threads = true;
                  auto node = std::make_unique<Node>(options);
                  std::thread([&] { node.reset(); }).join();
                  // This thread's list of robust mutexes still runs through the job's memory.
                  alignas(os::Lifeline) std::array<std::byte, sizeof(os::Lifeline)> room{};
                  auto* const life = reinterpret_cast<os::Lifeline*>(room.data());
                  if (!os::Lifeline::make_at(life)) return 1;
                  if (!life->hold()) return 2;
                  life->let_go();
                  return 0;
              }),
              0);
}

TEST(Review, AChildOfARankMayReturnFromMain) {
    Ranks ranks(2, [](Node& node) {
        node.world().barrier();
        if (node.world().rank() == 0) {
            const pid_t child = ::fork();
            if (child == 0) return;  // and unwinds: the Node is destroyed
            int status = -1;
            ::waitpid(child, &status, 0);
            EXPECT_EQ(status, 0);
        }
        node.world().barrier();
    });
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}

// --- 5: requests.cpp looks at requests without the lock.
TEST(Review, ThreadsOfARankWaitForSomeOfTheirRequestsAtOnce) {
    NodeOptions options;
    options.threads = true;
    const auto body = [](Node& node) {
        Communicator& world = node.world();
        std::atomic<int> failed = 0;
        std::vector<std::thread> threads;
        for (int thread = 0; thread < 4; ++thread) {
            threads.emplace_back([&world, &failed, thread] {
                std::vector<std::vector<std::byte>> memory(8, std::vector<std::byte>(20'000));
                for (int round = 0; round < 300; ++round) {
                    std::vector<Request> requests;
                    for (auto& each : memory) {
                        requests.push_back(world.rank() == 0 ? world.isend(each, 1, thread)
                                                             : world.irecv(each, 0, thread));
                    }
                    for (;;) {
                        const auto done =
                            round % 2 == 0 ? wait_some(requests) : test_some(requests);
                        for (const Finished& each : done) {
                            if (each.status.error && failed++ == 0) {
                                ADD_FAILURE() << each.status.error.message();
                            }
                        }
                        if (std::none_of(requests.begin(), requests.end(),
                                         [](const Request& r) { return r.active(); })) {
                            break;
                        }
                    }
                }
            });
        }
        for (std::thread& each : threads) each.join();
    };
    for (int again = 0; again < 8; ++again) {
        Ranks ranks(2, body, options);
        EXPECT_TRUE(end_well(ranks, {0, 1}, 15000));
    }
}

// --- 6: stages take all blocks; then there is none for a ring.
TEST(Review, ManyLargeMessagesAtOnceLeaveRoomForTheFirstAnswer) {
    Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        constexpr std::size_t count = 64;
        std::vector<std::vector<std::byte>> memory(count, std::vector<std::byte>(100'000));
        std::vector<Request> requests;
        for (auto& each : memory) {
            requests.push_back(world.rank() == 0 ? world.isend(each, 1, 0)
                                                 : world.irecv(each, 0, 0));
        }
        for (const Status& each : wait_all(requests)) EXPECT_FALSE(each.error);
        std::error_code error;
        int answer = 1;
        if (world.rank() == 1) world.send(std::as_bytes(std::span(&answer, 1)), 0, 1, error);
        EXPECT_FALSE(error) << error.message();
        if (world.rank() == 0) world.recv(std::span(&answer, 1), 1, 1);
    });
    EXPECT_TRUE(end_well(ranks, {1}));
}

// --- 7: after a departure rings are emptied to their end, which may never come.
TEST(Review, ADeathIsLearnedOfWhileSomebodyElseKeepsSending) {
    const os::Mapping shared(4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    auto& over = *reinterpret_cast<std::atomic<int>*>(shared.data());
    Ranks ranks(3, [&over](Node& node) {
        Communicator& world = node.world();
        Communicator pair = world.split(world.rank() == 2 ? 1 : 0);
        world.barrier();
        std::vector<std::byte> bytes(4096);
        std::error_code error;
        if (world.rank() == 2) {
            std::this_thread::sleep_for(milliseconds(100));
            die();
        }
        if (world.rank() == 1) {
            // Not touched by the death: it sends as long as it likes, here some gigabytes.
            for (int i = 0; i < 300'000 && over == 0; ++i) pair.send(bytes, 0, 1, error);
            over = 2;
            return;
        }
        world.recv(bytes, 2, 0, error);
        EXPECT_NE(over.exchange(1), 2) << "only when the other one had stopped";
        EXPECT_EQ(error, Errc::peer_died);
    });
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}

// --- 8: the helper who finishes its piece wakes nobody.
TEST(Review, AReceiverThatSleepsIsWokenByItsHelper) {
    const os::Mapping shared(4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    auto* const words = reinterpret_cast<std::atomic<int>*>(shared.data());
    std::atomic<int>&go = words[0], &begun = words[16], &ended = words[32];
    constexpr int rounds = 40;
    Ranks ranks(2, [&](Node& node) {
        Communicator& world = node.world();
        constexpr std::size_t bytes = 128 << 20;
        auto* const memory = static_cast<std::byte*>(node.arena().allocate(bytes, 64));
        const Segment all(memory, bytes);
        std::fill(all.begin(), all.end(), std::byte{1});
        world.barrier();
        for (int round = 1; round <= rounds; ++round) {
            while (go < round) ::usleep(100);
            begun.fetch_add(1);
            if (world.rank() == 0) {
                world.send(all, 1, 0);
            } else {
                world.recv(all, 0, 0);
                ended = round;
            }
        }
    });
    int slow = 0;
    for (int round = 1; round <= rounds; ++round) {
        go = round;
        while (begun < 2 * round) ::usleep(50);
        ::usleep(static_cast<useconds_t>(1000 + 373 * (round % 20)));
        ::kill(ranks.pid(0), SIGSTOP);
        ::usleep(80'000);
        ::kill(ranks.pid(0), SIGCONT);
        const auto start = steady_clock::now();
        while (ended < round) ::usleep(200);
        const auto took = steady_clock::now() - start;
        if (took > milliseconds(500)) ++slow;
    }
    EXPECT_TRUE(end_well(ranks, {0, 1}, 60000));
    EXPECT_EQ(slow, 0) << "messages that lay until a nap was over";
}

// --- 9: slots are emptied into whatever is there.
TEST(Review, AReceiveIntoMemoryThatCannotBeWrittenIsAnErrorHoweverTheMessageGoes) {
    Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        constexpr std::size_t bytes = 4 << 20;
        // Its end only, so that what is copied first goes well.
        const os::Mapping sealed(bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
        ::mprotect(sealed.data() + bytes / 2, bytes / 2, PROT_READ);
        std::vector<std::byte> memory(bytes);
        for (int round = 0; round < 100; ++round) {
            world.barrier();
            std::error_code error;
            if (world.rank() == 0) {
                world.send(memory, 1, 0, error);
            } else {
                world.recv(Segment(sealed.bytes()), 0, 0, error);
            }
            EXPECT_EQ(error, std::errc::bad_address);
        }
    });
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}
TEST(Review, AReceiveIntoMemoryThatCannotBeWrittenFromAPeerThatCannotBeReadIsAnError) {
    ONECOPY_NEEDS_ROOT();
    Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        hide();
        world.barrier();
        constexpr std::size_t bytes = 100'000;
        const os::Mapping sealed(bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS);
        std::vector<std::byte> memory(bytes);
        std::error_code error;
        if (world.rank() == 0) {
            world.send(memory, 1, 0, error);
        } else {
            world.recv(Segment(sealed.bytes()), 0, 0, error);
        }
        EXPECT_EQ(error, std::errc::bad_address);
    });
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}

// --- 10: killed between the two words in which a departure is written down.
TEST(Review, ARankThatIsKilledWhileItLeavesHasDeparted) {
    Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        world.barrier();
        if (world.rank() == 1) {
            // Watch::depart(), up to its first line.
            node.endpoint().memory().line(1).stage.store(node::Stage::left);
            die();
        }
        std::byte byte{};
        std::error_code error;
        world.recv(Segment(&byte, 1), 1, 0, error);
        EXPECT_TRUE(error);
    });
    EXPECT_TRUE(end_well(ranks, {0}));
}

// --- 11: what one sends oneself is in the ring when all others have left.
TEST(Review, AMessageToOneselfIsReceivedFromAnySourceWhenAllOthersHaveLeft) {
    Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        if (world.rank() == 1) return;
        int value = 1;
        std::error_code error;
        world.recv(std::as_writable_bytes(std::span(&value, 1)), 1, 0, error);
        EXPECT_EQ(error, Errc::peer_left);
        world.send(std::span(&value, 1), 0, 4);
        value = 0;
        world.recv(std::as_writable_bytes(std::span(&value, 1)), any_source, 4, error);
        EXPECT_FALSE(error) << error.message();
        EXPECT_EQ(value, 1);
    });
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}

// --- 12: without a descriptor to spare nobody is ever dead.
TEST(Review, ADeathIsLearnedOfWithoutADescriptorToSpare) {
    Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        world.barrier();
        if (world.rank() == 1) {
            std::this_thread::sleep_for(milliseconds(50));
            die();
        }
        const rlimit none{3, 3};
        ::setrlimit(RLIMIT_NOFILE, &none);
        std::byte byte{};
        std::error_code error;
        world.recv(Segment(&byte, 1), 1, 0, error);
        EXPECT_EQ(error, Errc::peer_died);
    });
    EXPECT_TRUE(end_well(ranks, {0}));
}

// --- 15: a pid means something in its namespace only.
TEST(Review, RanksInPidNamespacesOfTheirOwnGetTheRightBytesOrAnError) {
    ONECOPY_NEEDS_ROOT();
    const node::JobMemory memory = node::JobMemory::create(2);
    std::array<pid_t, 2> pids{};
    for (int rank = 0; rank < 2; ++rank) {
        pids[static_cast<std::size_t>(rank)] = ::fork();
        if (pids[static_cast<std::size_t>(rank)] != 0) continue;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::unshare(CLONE_NEWPID) != 0) ::_exit(77);
        const pid_t inner = ::fork();
        if (inner == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::setenv("ONECOPY_JOB", ("fd:" + std::to_string(memory.fd())).c_str(), 1);
            ::setenv("ONECOPY_RANK", std::to_string(rank).c_str(), 1);
            int answer = 1;
            try {
                Node node;
                std::vector<std::byte> bytes(100'000);
                test::fill(bytes, rank == 0 ? 9 : 0);
                std::error_code error;
                if (rank == 0) {
                    Request request = node.world().isend(bytes, 1, 0);
                    while (!request.test(error)) ::usleep(100);
                    answer = 0;
                } else {
                    node.world().recv(bytes, 0, 0, error);
                    answer = error || has_pattern(bytes, 9) ? 0 : 3;
                }
                if (error) std::fprintf(stderr, "rank %d: %s\n", rank, error.message().c_str());
            } catch (const std::exception& error) {
                std::fprintf(stderr, "%s\n", error.what());
            }
            ::_exit(answer);
        }
        int status = -1;
        ::waitpid(inner, &status, 0);
        ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 9);
    }
    const auto end = steady_clock::now() + milliseconds(guard_ms);
    for (const pid_t pid : pids) {
        int status = 0;
        while (::waitpid(pid, &status, WNOHANG) == 0) {
            if (steady_clock::now() > end) ::kill(pid, SIGKILL);
            ::usleep(500);
        }
        EXPECT_EQ(status, 0);
    }
}

// --- 16: the slots of a message that failed are lost to the job.
TEST(Review, MessagesThatFailedLeaveRoomForTheFirstAnswer) {
    Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        std::vector<std::byte> memory(100'000);
        std::error_code error;
        for (int i = 0; i < 40; ++i) {
            if (world.rank() == 0) {
                world.send(ConstSegment(reinterpret_cast<std::byte*>(64), memory.size()), 1, 0,
                           error);
            } else {
                world.recv(memory, 0, 0, error);
            }
            EXPECT_EQ(error, std::errc::bad_address) << error.message();
        }
        if (world.rank() == 1) world.send(memory, 0, 1, error);
        if (world.rank() == 0) world.recv(memory, 1, 1, error);
        EXPECT_FALSE(error) << error.message();
    });
    EXPECT_TRUE(end_well(ranks, {1}));
}

// --- 17: who joins while others sleep is not among the words they sleep on.
TEST(Review, TheDeathOfARankThatJoinedLateIsLearnedOfInTime) {
    const node::JobMemory memory = node::JobMemory::create(2);
    const os::Mapping shared(4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
    auto& learned = *reinterpret_cast<std::atomic<int>*>(shared.data());
    const auto start = [&](int rank, const auto& body) {
        const pid_t pid = ::fork();
        if (pid != 0) return pid;
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::setenv("ONECOPY_JOB", ("fd:" + std::to_string(memory.fd())).c_str(), 1);
        ::setenv("ONECOPY_RANK", std::to_string(rank).c_str(), 1);
        Node node;
        body(node.world());
        ::_exit(0);
    };
    for (int round = 0; round < 1; ++round) {
        const pid_t waiting = start(0, [&](Communicator& world) {
            std::byte byte{};
            std::error_code error;
            world.recv(Segment(&byte, 1), 1, 0, error);
            learned = error == Errc::peer_died ? 1 : 2;
        });
        ::usleep(150'000);  // it sleeps
        const pid_t late = start(1, [](Communicator&) { die(); });
        int status = 0;
        ::waitpid(late, &status, 0);
        const auto dead = steady_clock::now();
        while (learned == 0 && steady_clock::now() - dead < milliseconds(guard_ms)) ::usleep(500);
        const auto took = std::chrono::duration_cast<milliseconds>(steady_clock::now() - dead);
        EXPECT_EQ(learned, 1);
        EXPECT_LT(took.count(), 500);
        ::kill(waiting, SIGKILL);
        ::waitpid(waiting, &status, 0);
    }
}

// --- held: all ways at once, senders that come and go, in both directions.
struct Random {
    std::uint32_t state;
    std::uint32_t operator()(std::uint32_t below) {
        state = state * 1664525U + 1013904223U;
        return (state >> 8) % below;
    }
};
void all_ways_at_once(Node& node, int rounds, std::uint32_t seed) {
    Communicator& world = node.world();
    const int other = 1 - world.rank();
    constexpr std::size_t most = 700'000;
    constexpr std::size_t count = 6;
    struct Box {
        std::vector<std::byte> ordinary = std::vector<std::byte>(most);
        std::byte* arena = nullptr;
    };
    std::array<Box, count> out, in;
    for (auto* boxes : {&out, &in}) {
        for (Box& box : *boxes) {
            box.arena = static_cast<std::byte*>(node.arena().allocate(most, 64));
        }
    }
    Random same{seed};                                                 // both know it
    Random own{seed + 77 + static_cast<std::uint32_t>(world.rank())};  // each his own
    int wrong = 0;
    for (int round = 0; round < rounds; ++round) {
        std::vector<Request> requests;
        std::array<std::size_t, 2 * count> bytes{};
        for (auto& each : bytes) each = same(4) == 0 ? same(5000) : 4097 + same(most - 4097);
        std::array<Segment, count> where;
        std::array<std::size_t, count> wanted{};
        const auto pieces = [&](Segment all) {
            std::vector<Segment> list;
            const std::size_t piece = 1 + all.size() / (1 + own(own(2) == 0 ? 5 : 150));
            for (std::size_t at = 0; at < all.size(); at += piece) {
                list.push_back(all.subspan(at, std::min(piece, all.size() - at)));
            }
            return list;
        };
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t length = bytes[i + count * static_cast<std::size_t>(other)];
            wanted[i] = own(5) == 0 ? length / 2 : length;
            where[i] = Segment(own(2) == 0 ? in[i].arena : in[i].ordinary.data(), most);
            std::fill(where[i].begin(), where[i].end(), std::byte{0xaa});
        }
        const auto receive = [&](std::size_t i) {
            const Segment into = where[i].first(wanted[i]);
            const int from = own(2) == 0 ? other : any_source;
            const int tag = static_cast<int>(i);
            if (own(3) == 0) {
                const auto list = pieces(into);
                requests.push_back(world.irecv(std::span<const Segment>(list), from, tag));
            } else {
                requests.push_back(world.irecv(into, from, tag));
            }
        };
        const bool late = own(3) == 0;
        if (!late) {
            for (std::size_t i = 0; i < count; ++i) receive(i);
        }
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t length = bytes[i + count * static_cast<std::size_t>(world.rank())];
            const Segment from =
                Segment(own(2) == 0 ? out[i].arena : out[i].ordinary.data(), most).first(length);
            test::fill(from,
                       static_cast<unsigned>(round * 20 + static_cast<int>(i) + world.rank()));
            if (own(3) == 0) {
                std::vector<ConstSegment> list;
                for (const Segment& each : pieces(from)) list.emplace_back(each);
                requests.push_back(
                    world.isend(std::span<const ConstSegment>(list), other, static_cast<int>(i)));
            } else {
                requests.push_back(world.isend(from, other, static_cast<int>(i)));
            }
        }
        if (late) {
            ::usleep(own(200));
            for (std::size_t i = 0; i < count; ++i) receive(i);
        }
        for (;;) {
            const auto check = [&](const Status& status) {
                if (status.error && status.error != Errc::truncated && wrong++ == 0) {
                    ADD_FAILURE() << status.error.message();
                }
            };
            std::vector<Finished> done;
            if (own(3) == 0) {
                done = test_some(requests);
            } else {
                done = wait_some(requests);
                if (done.empty()) break;
            }
            for (const Finished& each : done) check(each.status);
            if (own(4) == 0) ::usleep(own(100));
        }
        for (std::size_t i = 0; i < count; ++i) {
            const auto seed_of = static_cast<unsigned>(round * 20 + static_cast<int>(i) + other);
            const bool good =
                has_pattern(where[i].first(wanted[i]), seed_of) &&
                std::all_of(where[i].begin() + static_cast<std::ptrdiff_t>(wanted[i]),
                            where[i].end(), [](std::byte b) { return b == std::byte{0xaa}; });
            if (!good && wrong++ < 3) ADD_FAILURE() << "round " << round << " message " << i;
        }
    }
    world.barrier();
}
TEST(Review, AllWaysAtOnceWithSendersThatComeAndGo) {
    const char* const asked = std::getenv("ONECOPY_ROUNDS");
    const int rounds = asked != nullptr ? std::atoi(asked) : 60;
    Ranks ranks(2, [rounds](Node& node) {
        // A word for an answer first: otherwise all blocks may be gone (6).
        node.world().barrier();
        all_ways_at_once(node, rounds, 5);
    });
    EXPECT_TRUE(end_well(ranks, {0, 1}, 300000));
}
TEST(Review, AllWaysAtOnceWithSendersThatStopAtAnyMoment) {
    const char* const asked = std::getenv("ONECOPY_ROUNDS");
    const int rounds = asked != nullptr ? std::atoi(asked) : 60;
    Ranks ranks(2, [rounds](Node& node) {
        node.world().barrier();
        all_ways_at_once(node, rounds, 6);
    });
    std::thread stopping([&] {
        Random random{3};
        for (int i = 0; i < rounds * 2; ++i) {
            const pid_t pid = ranks.pid(static_cast<int>(random(2)));
            ::kill(pid, SIGSTOP);
            ::usleep(random(4) == 0 ? 40'000 : random(3000));
            ::kill(pid, SIGCONT);
            ::usleep(random(5000));
        }
    });
    stopping.join();
    EXPECT_TRUE(end_well(ranks, {0, 1}, 300000));
}

// --- 18: a barrier is told to some only.
TEST(Review, ABarrierThatOneRankHasLeftEndsForAllOthers) {
    Ranks ranks(12, [](Node& node) {
        Communicator& world = node.world();
        Communicator rest = world.split(world.rank() == 11 ? 1 : 0);
        if (world.rank() == 11) return;
        std::error_code error;
        world.barrier(error);
        EXPECT_EQ(error, Errc::peer_left);
        rest.barrier();
    });
    EXPECT_TRUE(end_well(ranks, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}));
}

// --- held
TEST(Review, ALongMessageLetsOtherThreadsIn) {
    NodeOptions options;
    options.threads = true;
    Ranks ranks(
        2,
        [](Node& node) {
            Communicator& world = node.world();
            std::vector<std::byte> memory(std::size_t{512} << 20, std::byte{1});
            world.barrier();
            std::atomic<bool> over = false;
            std::atomic<long> looked = 0;
            std::thread other([&] {
                while (!over) {
                    world.iprobe(1 - world.rank(), 9);
                    ++looked;
                    ::usleep(100);
                }
            });
            const long before = looked;
            if (world.rank() == 0) world.send(memory, 1, 0);
            if (world.rank() == 1) world.recv(memory, 0, 0);
            const long after = looked;
            over = true;
            other.join();
            // 512 MiB in steps of 256 KiB are 2,000 chances.
            EXPECT_GE(after - before, 20);
        },
        options);
    EXPECT_TRUE(end_well(ranks, {0, 1}, 30000));
}

// --- held
TEST(Review, LargeMessagesArriveWithoutADescriptorToSpare) {
    Ranks ranks(2, [](Node& node) {
        Communicator& world = node.world();
        std::vector<std::byte> memory(300'000);
        const rlimit none{3, 3};
        ::setrlimit(RLIMIT_NOFILE, &none);
        std::error_code error;
        if (world.rank() == 0) {
            test::fill(memory, 2);
            world.send(memory, 1, 0, error);
        } else {
            world.recv(memory, 0, 0, error);
            EXPECT_TRUE(has_pattern(memory, 2));
        }
        EXPECT_FALSE(error) << error.message();
    });
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}
TEST(Review, ThousandsOfMessagesToOneselfFarMoreThanTheRingHolds) {
    EXPECT_RANKS(1, [](Node& node) {
        Communicator& world = node.world();
        constexpr std::size_t count = 3000;
        std::vector<std::vector<std::byte>> out, in;
        std::vector<Request> requests;
        for (std::size_t i = 0; i < count; ++i) {
            out.emplace_back(i * 37 % 6000);
            in.emplace_back(out.back().size());
            test::fill(out.back(), static_cast<unsigned>(i));
            requests.push_back(world.isend(out.back(), 0, 1));
        }
        for (auto& each : in) requests.push_back(world.irecv(each, any_source, any_tag));
        for (const Status& each : wait_all(requests)) EXPECT_FALSE(each.error);
        EXPECT_TRUE(in == out);
    });
}

}  // namespace
}  // namespace onecopy
