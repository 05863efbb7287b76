// iceoryx: a message is written into memory that was lent by the middleware (loan), handed over
// (publish) and read in place (take): no copy. Needs RouDi, which the bench starts.
//
// A publisher lends at most eight pieces at a time, and up to 64 messages are written before the
// first is sent; so a rank has eight publishers to each peer, and message `slot` goes by number
// slot % 8.
#include <array>
#include <filesystem>
#include <iceoryx_posh/popo/untyped_publisher.hpp>
#include <iceoryx_posh/popo/untyped_subscriber.hpp>
#include <iceoryx_posh/runtime/posh_runtime.hpp>
#include <iceoryx_versions.hpp>
#include <memory>
#include <string>
#include <vector>

#include "link.hpp"
#include "stepwise_link.hpp"

namespace onecopy::p2p {
namespace {

constexpr std::size_t channels = iox::MAX_CHUNKS_ALLOCATED_PER_PUBLISHER_SIMULTANEOUSLY;
constexpr std::size_t messages_of_a_channel = (max_slots + channels - 1) / channels;

template <class Text>
Text as(const std::string& text) {
    return Text(iox::cxx::TruncateToCapacity, text.c_str());
}

/// The bench's folder and the job's: nobody else's.
std::string job_of(const Setup& setup) {
    const std::filesystem::path folder(setup.folder);
    return folder.parent_path().filename().string() + "." + folder.filename().string();
}

class IceoryxLink final : public Link {
public:
    explicit IceoryxLink(const Setup& setup)
        : setup_(setup),
          lent_(max_slots),
          taken_(max_slots),
          publishers_(index(setup.ranks)),
          subscribers_(index(setup.ranks)) {
        iox::runtime::PoshRuntime::initRuntime(
            as<iox::RuntimeName_t>(job_of(setup) + "." + std::to_string(setup.rank)));
        for (int peer = 0; peer < setup.ranks; ++peer) {
            if (talk(setup.rank, peer)) connect(peer);
        }
        for (int peer = 0; peer < setup.ranks; ++peer) wait_until_connected(peer);
    }

    [[nodiscard]] int rank() const override { return setup_.rank; }
    [[nodiscard]] bool lends_anew() const override { return true; }

    std::byte* outgoing(int peer, int slot, std::size_t bytes) override {
        auto loan = publisher(peer, slot).loan(static_cast<std::uint32_t>(bytes));
        if (loan.has_error()) {
            throw Unusable("RouDi lends no memory for " + std::to_string(bytes) + " bytes");
        }
        lent_[index(slot)] = loan.value();
        return static_cast<std::byte*>(loan.value());
    }
    std::byte* landing(int, std::size_t) override { return nullptr; }

    void send(int peer, int slot, std::size_t) override {
        publisher(peer, slot).publish(lent_[index(slot)]);
    }
    const std::byte* recv(int peer, int slot, std::size_t) override {
        Subscriber& from = *subscribers_[index(peer)][index(slot) % channels];
        for (;;) {
            auto taken = from.take();
            if (!taken.has_error()) {
                taken_[index(slot)] = {&from, taken.value()};
                return static_cast<const std::byte*>(taken.value());
            }
            if (taken.get_error() != iox::popo::ChunkReceiveResult::NO_CHUNK_AVAILABLE) {
                throw Unusable("too many messages are held at once");
            }
            relax(setup_.crowded);
        }
    }

    void start_send(int peer, int slot, std::size_t bytes) override { send(peer, slot, bytes); }
    void start_recv(int peer, int slot, std::size_t) override { expected_.push_back({peer, slot}); }
    void wait_all() override {
        for (const Expected& one : expected_) recv(one.peer, one.slot, 0);
        expected_.clear();
    }
    const std::byte* arrived(int slot, std::size_t) override {
        return static_cast<const std::byte*>(taken_[index(slot)].data);
    }
    void release() override {
        for (Taken& one : taken_) {
            if (one.from != nullptr) one.from->release(one.data);
            one = {};
        }
    }

private:
    using Publisher = iox::popo::UntypedPublisher;
    using Subscriber = iox::popo::UntypedSubscriber;

    struct Taken {
        Subscriber* from = nullptr;
        const void* data = nullptr;
    };
    struct Expected {
        int peer;
        int slot;
    };

    static std::size_t index(int number) noexcept { return static_cast<std::size_t>(number); }

    Publisher& publisher(int peer, int slot) {
        return *publishers_[index(peer)][index(slot) % channels];
    }

    [[nodiscard]] iox::capro::ServiceDescription name_of(int from, int to,
                                                         std::size_t channel) const {
        return {as<iox::capro::IdString_t>(job_of(setup_)),
                as<iox::capro::IdString_t>(std::to_string(from) + "-" + std::to_string(to)),
                as<iox::capro::IdString_t>(std::to_string(channel))};
    }

    void connect(int peer) {
        for (std::size_t channel = 0; channel < channels; ++channel) {
            publishers_[index(peer)].push_back(
                std::make_unique<Publisher>(name_of(setup_.rank, peer, channel)));
            iox::popo::SubscriberOptions options;
            options.queueCapacity = 2 * messages_of_a_channel;
            subscribers_[index(peer)].push_back(
                std::make_unique<Subscriber>(name_of(peer, setup_.rank, channel), options));
        }
    }

    void wait_until_connected(int peer) {
        for (const auto& one : publishers_[index(peer)]) {
            while (!one->hasSubscribers()) ::usleep(1000);
        }
        for (const auto& one : subscribers_[index(peer)]) {
            while (one->getSubscriptionState() != iox::SubscribeState::SUBSCRIBED) ::usleep(1000);
        }
    }

    Setup setup_;
    std::vector<void*> lent_;
    std::vector<Taken> taken_;
    std::vector<Expected> expected_;
    std::vector<std::vector<std::unique_ptr<Publisher>>> publishers_;
    std::vector<std::vector<std::unique_ptr<Subscriber>>> subscribers_;
};

}  // namespace

std::string library() { return "iceoryx " ICEORYX_LATEST_RELEASE_VERSION; }

std::unique_ptr<Link> make_link(const Setup& setup) { return std::make_unique<IceoryxLink>(setup); }

}  // namespace onecopy::p2p
