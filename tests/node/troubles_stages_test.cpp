// Senders that come with a stage, in numbers and among threads.
#include "troubles.hpp"

namespace onecopy {
namespace {

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
            ASSERT_EQ(test::become(test::user()), 0);
            ASSERT_EQ(::prctl(PR_SET_DUMPABLE, 0), 0);
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

}  // namespace
}  // namespace onecopy
