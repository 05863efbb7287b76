// Our own communicator: messages in the node's arena, or (ONECOPY_P2P_MEMORY=ordinary) in memory
// from malloc, which nobody prepared.
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "copying_link.hpp"
#include "onecopy/node.hpp"
#include "onecopy/version.hpp"

namespace onecopy::p2p {
namespace {

constexpr int tag = 0;

bool in_ordinary_memory() {
    const char* const memory = std::getenv("ONECOPY_P2P_MEMORY");
    return memory != nullptr && std::string_view(memory) == "ordinary";
}

/// A piece of an arena.
class ArenaArea {
public:
    ArenaArea(Arena& arena, std::size_t bytes)
        : arena_(arena), bytes_(bytes), at_(static_cast<std::byte*>(arena.allocate(bytes, page))) {}
    ArenaArea(const ArenaArea&) = delete;
    ArenaArea& operator=(const ArenaArea&) = delete;
    ~ArenaArea() { arena_.deallocate(at_, bytes_, page); }

    [[nodiscard]] std::byte* data() const noexcept { return at_; }

private:
    static constexpr std::size_t page = 4096;
    Arena& arena_;
    std::size_t bytes_;
    std::byte* at_;
};

/// `Memory`: Area or ArenaArea.
template <class Memory>
class OnecopyLink final : public CopyingLink {
public:
    OnecopyLink(std::unique_ptr<Node> node, std::unique_ptr<Memory> from,
                std::unique_ptr<Memory> to)
        : node_(std::move(node)), from_(std::move(from)), to_(std::move(to)) {}

    [[nodiscard]] int rank() const override { return node_->rank(); }

    void send(int peer, int slot, std::size_t bytes) override {
        world().send(ConstSegment(outgoing(peer, slot, bytes), bytes), peer, tag);
    }
    const std::byte* recv(int peer, int slot, std::size_t bytes) override {
        std::byte* const at = landing(slot, bytes);
        world().recv(Segment(at, bytes), peer, tag);
        return at;
    }
    void start_send(int peer, int slot, std::size_t bytes) override {
        requests_.push_back(
            world().isend(ConstSegment(outgoing(peer, slot, bytes), bytes), peer, tag));
    }
    void start_recv(int peer, int slot, std::size_t bytes) override {
        requests_.push_back(world().irecv(Segment(landing(slot, bytes), bytes), peer, tag));
    }
    void wait_all() override {
        for (const Status& status : onecopy::wait_all(requests_)) {
            if (status.error) throw std::system_error(status.error);
        }
        requests_.clear();
    }
    /// What was sent may still need this side.
    void progress() override { world().iprobe(any_source, tag); }

protected:
    [[nodiscard]] std::byte* from() override { return from_->data(); }
    [[nodiscard]] std::byte* to() override { return to_->data(); }

private:
    [[nodiscard]] Communicator& world() const { return node_->world(); }

    std::unique_ptr<Node> node_;  // outlives all that is its
    std::unique_ptr<Memory> from_;
    std::unique_ptr<Memory> to_;
    std::vector<Request> requests_;
};

}  // namespace

std::string library() { return "onecopy " ONECOPY_VERSION; }

std::unique_ptr<Link> make_link(const Setup& setup) {
    auto node = std::make_unique<Node>();
    if (node->size() != setup.ranks) throw Unusable("the job has another number of ranks");
    if (in_ordinary_memory()) {
        auto from = std::make_unique<Area>(setup.area_bytes);
        auto to = std::make_unique<Area>(setup.area_bytes);
        return std::make_unique<OnecopyLink<Area>>(std::move(node), std::move(from), std::move(to));
    }
    Arena& arena = node->arena();
    auto from = std::make_unique<ArenaArea>(arena, setup.area_bytes);
    auto to = std::make_unique<ArenaArea>(arena, setup.area_bytes);
    return std::make_unique<OnecopyLink<ArenaArea>>(std::move(node), std::move(from),
                                                    std::move(to));
}

}  // namespace onecopy::p2p
