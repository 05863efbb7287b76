// Memory that cannot be read, written, mapped, or had.
#include "troubles.hpp"

namespace onecopy {
namespace {

// Communicator.hpp says that its sender waits until it is destroyed.
TEST(Troubles, AMatchedLargeMessageThatIsDestroyedLetsItsSenderGo) {
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

// A peer that cannot be read, and a list that is.
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
TEST(Troubles, ManyPiecesArriveFromAPeerThatCannotBeRead) {
    ONECOPY_NEEDS_ROOT();
    Ranks ranks(2, [](Node& node) { many_pieces_hidden(node, false); });
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}
TEST(Troubles, ManyPiecesThatCameBeforeTheirReceiveFromAPeerThatCannotBeReadAreNotLost) {
    ONECOPY_NEEDS_ROOT();
    Ranks ranks(2, [](Node& node) { many_pieces_hidden(node, true); });
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}
TEST(Troubles, APieceOfTheArenaAndAnOrdinaryOneArriveFromAPeerThatCannotBeRead) {
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

// Stages take all blocks; then there is none for a ring.
TEST(Troubles, ManyLargeMessagesAtOnceLeaveRoomForTheFirstAnswer) {
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

// Slots are emptied into whatever is there.
TEST(Troubles, AReceiveIntoMemoryThatCannotBeWrittenIsAnErrorHoweverTheMessageGoes) {
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
TEST(Troubles, AReceiveIntoMemoryThatCannotBeWrittenFromAPeerThatCannotBeReadIsAnError) {
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

// A pid means something in its namespace only.
TEST(Troubles, RanksInPidNamespacesOfTheirOwnGetTheRightBytesOrAnError) {
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

// The slots of a message that failed are lost to the job.
TEST(Troubles, MessagesThatFailedLeaveRoomForTheFirstAnswer) {
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

}  // namespace
}  // namespace onecopy
