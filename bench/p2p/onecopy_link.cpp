// Our own communicator.
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "copying_link.hpp"
#include "rank/onecopy_rank.hpp"

namespace onecopy::p2p {
namespace {

constexpr int tag = 0;

class OnecopyLink final : public CopyingLink {
public:
    explicit OnecopyLink(const Setup& setup) : node_(setup) {}

    [[nodiscard]] int rank() const override { return node_.rank(); }

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
    [[nodiscard]] std::byte* from() override { return node_.from(); }
    [[nodiscard]] std::byte* to() override { return node_.to(); }

private:
    [[nodiscard]] Communicator& world() { return node_.world(); }

    bench::OnecopyRank node_;
    std::vector<Request> requests_;
};

}  // namespace

std::string library() { return bench::OnecopyRank::version(); }

std::unique_ptr<Link> make_link(const Setup& setup) { return std::make_unique<OnecopyLink>(setup); }

}  // namespace onecopy::p2p
