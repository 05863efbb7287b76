// Boost.Interprocess message queues: the bytes of a message are copied into the queue and out of
// it. A queue's slots all have the size of its largest message, so each pair has several.
#include <algorithm>
#include <array>
#include <boost/version.hpp>
#include <memory>
#include <vector>

#include "boost_queue.hpp"
#include "copying_link.hpp"
#include "stepwise_link.hpp"

namespace onecopy::p2p {
namespace {

constexpr std::array<std::size_t, 2> small_messages = {4U << 10, 64U << 10};
constexpr std::size_t room = 16U << 20;  // of the queue for larger ones

class BoostLink final : public StepwiseLink<OrdinaryLink> {
public:
    explicit BoostLink(const Setup& setup) : StepwiseLink(setup), setup_(setup) {
        for (int peer = 0; peer < setup.ranks; ++peer) {
            to_.push_back(queues(setup.rank, peer));
            from_.push_back(queues(peer, setup.rank));
        }
        for (const Queues& queues : to_) {
            for (const auto& queue : queues) queue->warm_up();
        }
    }

    [[nodiscard]] int rank() const override { return setup_.rank; }

private:
    using Queues = std::vector<std::unique_ptr<BoostQueue>>;  // by size, ascending

    [[nodiscard]] Queues queues(int from, int to) const {
        Queues made;
        if (!talk(from, to)) return made;
        for (const std::size_t bytes : small_messages) {
            made.push_back(std::make_unique<BoostQueue>(setup_, from, to,
                                                        std::to_string(made.size()) + ".",
                                                        std::size_t{max_slots}, bytes));
        }
        const std::size_t largest = std::max(setup_.largest, small_messages.back() + 1);
        const std::size_t messages =
            std::clamp(room / largest, std::size_t{2}, std::size_t{max_slots});
        made.push_back(std::make_unique<BoostQueue>(setup_, from, to, "large.", messages, largest));
        return made;
    }

    static BoostQueue& queue_for(const Queues& queues, std::size_t bytes) {
        std::size_t kind = 0;
        while (kind < small_messages.size() && bytes > small_messages[kind]) ++kind;
        return *queues[kind];
    }

    std::size_t push(const Operation& one) override {
        BoostQueue& queue = queue_for(to_[static_cast<std::size_t>(one.peer)], one.bytes);
        return queue.try_push(outgoing(one.peer, one.slot, one.bytes), one.bytes) ? one.bytes : 0;
    }
    std::size_t pull(const Operation& one) override {
        BoostQueue& queue = queue_for(from_[static_cast<std::size_t>(one.peer)], one.bytes);
        return queue.try_pull(landing(one.slot, one.bytes)) ? one.bytes : 0;
    }
    void wait_for_more() override { relax(setup_.crowded); }

    Setup setup_;
    std::vector<Queues> to_;
    std::vector<Queues> from_;
};

}  // namespace

std::string library() { return "Boost.Interprocess " BOOST_LIB_VERSION; }

std::unique_ptr<Link> make_link(const Setup& setup) { return std::make_unique<BoostLink>(setup); }

}  // namespace onecopy::p2p
