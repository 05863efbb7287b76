// Deaths and departures in which something else goes wrong, too.
#include "troubles.hpp"

namespace onecopy {
namespace {

// Who only tests never looks for the dead.
TEST(Troubles, ARankThatOnlyTestsLearnsOfADeath) {
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
TEST(Troubles, ARankThatOnlyProbesLearnsOfADeath) {
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

// Who is refused has overwritten who is there.
TEST(Troubles, WhoIsRefusedAsARankDoesNotSpoilTheOneThatIsThere) {
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

TEST(Troubles, ARankThatHasLeftCannotComeBackToItsOldMessages) {
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

TEST(Troubles, ANodeMayBeDestroyedByAnotherThreadThanMadeIt) {
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

TEST(Troubles, AChildOfARankMayReturnFromMain) {
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

// After a departure rings are emptied to their end, which may never come.
TEST(Troubles, ADeathIsLearnedOfWhileSomebodyElseKeepsSending) {
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

// Killed between the two words in which a departure is written down.
TEST(Troubles, ARankThatIsKilledWhileItLeavesHasDeparted) {
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

// Without a descriptor to spare nobody is ever dead.
TEST(Troubles, ADeathIsLearnedOfWithoutADescriptorToSpare) {
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

// Who joins while others sleep is not among the words they sleep on.
TEST(Troubles, TheDeathOfARankThatJoinedLateIsLearnedOf) {
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
        node.endpoint().watch().set_long_nap(std::chrono::hours(1));
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
        EXPECT_EQ(learned, 1);
        ::kill(waiting, SIGKILL);
        ::waitpid(waiting, &status, 0);
    }
}

// A barrier is told to some only.
TEST(Troubles, ABarrierThatOneRankHasLeftEndsForAllOthers) {
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

}  // namespace
}  // namespace onecopy
