// Senders that come with a stage, in numbers and among threads.
#include "troubles.hpp"

namespace onecopy {
namespace {

void hide() {
    ASSERT_EQ(test::become(test::user()), 0);
    ASSERT_EQ(::prctl(PR_SET_DUMPABLE, 0), 0);
}

// A rank has a few stages only. Those that its blocking sends came with are in use until their
// messages are received, which may depend on a message that needs one.
TEST(Troubles, BlockingSendsLeaveAStageForAReceiveThatCannotDoWithout) {
    ONECOPY_NEEDS_ROOT();
    NodeOptions options;
    options.threads = true;
    Ranks ranks(
        2,
        [](Node& node) {
            Communicator& world = node.world();
            constexpr int senders = 6, answer_tag = 99;
            const std::size_t bytes = 100'000;
            world.barrier();
            // Neither may read the other.
            hide();
            world.barrier();
            std::vector<std::byte> answer(bytes);
            if (world.rank() == 0) {
                std::vector<std::thread> threads;
                for (int i = 0; i < senders; ++i) {
                    threads.emplace_back([&world, i] {
                        std::vector<std::byte> from(bytes);
                        test::fill(from, static_cast<unsigned>(i));
                        world.send(from, 1, i);
                    });
                }
                world.recv(answer, 1, answer_tag);
                EXPECT_TRUE(has_pattern(answer, answer_tag));
                for (std::thread& each : threads) each.join();
            } else {
                for (int i = 0; i < senders; ++i) world.probe(0, i);
                test::fill(answer, answer_tag);
                world.isend(answer, 0, answer_tag).wait();
                for (int i = 0; i < senders; ++i) {
                    std::vector<std::byte> to(bytes);
                    world.recv(to, 0, i);
                    EXPECT_TRUE(has_pattern(to, static_cast<unsigned>(i)));
                }
            }
        },
        options);
    EXPECT_TRUE(end_well(ranks, {0, 1}));
}

// Hand-offs take what memory the job has for stages too; they are never given back.
TEST(Troubles, AReceiveThatCannotDoWithoutAStageIsAnErrorWhereThereIsNoMemoryForOne) {
    ONECOPY_NEEDS_ROOT();
    Ranks ranks(3, [](Node& node) {
        Communicator& world = node.world();
        constexpr int flood_tag = 1, end_tag = 2, late_tag = 3;
        std::vector<std::byte> memory(100'000);
        char token = 0;
        world.barrier();
        hide();
        world.barrier();
        // Rank 1 has hand-offs before there are none left, rank 2 a stage: who sends without
        // waiting brings none.
        if (world.rank() == 1) world.isend(memory, 2, 0).wait();
        if (world.rank() == 2) world.recv(memory, 1, 0);
        if (world.rank() == 0) {
            std::vector<Request> requests;
            std::error_code error;
            for (int i = 0; i < 1'000'000 && !error; ++i) {
                requests.push_back(world.issend(std::span(&token, 1), 1, flood_tag));
                if (i % 1000 == 999) requests.back().test(error);
            }
            EXPECT_EQ(error, std::errc::not_enough_memory);
            world.send(std::span(&token, 1), 1, end_tag);
            wait_all(requests);
            world.recv(memory, 1, late_tag, error);
            EXPECT_EQ(error, std::errc::not_enough_memory);
        }
        if (world.rank() == 1) {
            world.recv(std::span(&token, 1), 0, end_tag);
            while (world.iprobe(0, flood_tag)) world.recv(std::span(&token, 1), 0, flood_tag);
            std::error_code error;
            world.isend(memory, 0, late_tag).wait(error);
            EXPECT_TRUE(error);
        }
        world.barrier();
    });
    EXPECT_TRUE(end_well(ranks, {0, 1, 2}));
}

}  // namespace
}  // namespace onecopy
