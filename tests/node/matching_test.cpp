#include "node/matching.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>
#include <vector>

namespace onecopy::node {
namespace {

bool fits(int wanted, int is) { return wanted == -1 || wanted == is; }

/// The rules of the standard, word for word, over two plain lists.
struct Model {
    struct Receive {
        int source, tag;
        Operation* operation;
    };
    struct Message {
        int source, tag;
        std::uint64_t number;
    };
    std::deque<Receive> receives;
    std::deque<Message> messages;

    Operation* take_receive(int source, int tag) {
        for (auto it = receives.begin(); it != receives.end(); ++it) {
            if (!fits(it->source, source) || !fits(it->tag, tag)) continue;
            Operation* const found = it->operation;
            receives.erase(it);
            return found;
        }
        return nullptr;
    }
    std::uint64_t find(int source, int tag) const {
        for (const Message& each : messages) {
            if (fits(source, each.source) && fits(tag, each.tag)) return each.number;
        }
        return 0;
    }
};

TEST(Matching, AgreesWithTheRulesOverPlainLists) {
    std::mt19937 random(5);
    Matching matching;
    Model model;
    std::vector<std::unique_ptr<Operation>> operations;
    std::uint64_t number = 0;
    const auto pick = [&](int count) {
        return static_cast<int>(random() % static_cast<unsigned>(count));
    };
    for (int step = 0; step < 100'000; ++step) {
        const int source = pick(4);
        const int tag = pick(3);
        const int wanted_source = pick(4) == 0 ? any_source : source;
        const int wanted_tag = pick(4) == 0 ? any_tag : tag;
        switch (pick(8)) {
            case 0:
            case 1:
            case 2: {  // a message comes
                Operation* const receive = matching.take_receive(source, tag);
                ASSERT_EQ(receive, model.take_receive(source, tag)) << step;
                if (receive != nullptr) break;
                auto message = std::make_unique<Arrived>();
                message->source = source;
                message->tag = tag;
                message->bytes = ++number;
                matching.keep(std::move(message));
                model.messages.push_back({source, tag, number});
                break;
            }
            case 3:
            case 4:
            case 5: {  // a receive is called for
                Arrived* const found = matching.find(wanted_source, wanted_tag);
                ASSERT_EQ(found == nullptr ? 0 : found->bytes,
                          model.find(wanted_source, wanted_tag))
                    << step;
                if (found != nullptr) {
                    const std::uint64_t taken = matching.take(*found)->bytes;
                    std::erase_if(model.messages,
                                  [&](const auto& each) { return each.number == taken; });
                    break;
                }
                operations.push_back(std::make_unique<Operation>());
                Operation& receive = *operations.back();
                receive.peer = wanted_source;
                receive.tag = wanted_tag;
                matching.post(receive);
                model.receives.push_back({wanted_source, wanted_tag, &receive});
                break;
            }
            case 6: {  // one is taken back
                if (model.receives.empty()) break;
                const auto which =
                    model.receives.begin() + pick(static_cast<int>(model.receives.size()));
                matching.remove(*which->operation);
                model.receives.erase(which);
                break;
            }
            default:
                ASSERT_EQ(matching.first_receive() == nullptr, model.receives.empty());
                ASSERT_EQ(matching.first_message() == nullptr, model.messages.empty());
        }
    }
    EXPECT_GT(number, 100U);
}

}  // namespace
}  // namespace onecopy::node
