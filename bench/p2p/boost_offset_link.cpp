// Boost.Interprocess managed shared memory: each rank allocates its messages in a segment of its
// own, and hands over where one lies (its offset in the segment) through a message queue. The
// receiver reads it in place: no copy. What was allocated is used again and again, and the sender
// learns from the driver's barriers, or from the answer, that it was read; a program of its own
// would have to allocate, or be told.
#include <unistd.h>

#include <boost/interprocess/managed_shared_memory.hpp>
#include <boost/version.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "boost_queue.hpp"
#include "copying_link.hpp"
#include "stepwise_link.hpp"

namespace onecopy::p2p {
namespace {

namespace ipc = boost::interprocess;
using Segment = ipc::managed_shared_memory;

class BoostOffset : public Link {
protected:
    explicit BoostOffset(const Setup& setup)
        : setup_(setup),
          name_(segment_of(setup.rank)),
          own_(ipc::create_only, name_.c_str(), setup.area_bytes + (std::size_t{1} << 16)),
          area_(static_cast<std::byte*>(own_.allocate_aligned(setup.area_bytes, 4096))),
          arrived_(max_slots) {
        for (int peer = 0; peer < setup.ranks; ++peer) {
            peers_.push_back(talk(setup.rank, peer) ? open_segment(peer) : nullptr);
            to_.push_back(queue(setup.rank, peer));
            from_.push_back(queue(peer, setup.rank));
        }
    }

public:
    ~BoostOffset() override { ipc::shared_memory_object::remove(name_.c_str()); }

    [[nodiscard]] int rank() const override { return setup_.rank; }

    std::byte* outgoing(int, int slot, std::size_t bytes) override {
        return in_area(area_, slot, bytes);
    }
    std::byte* landing(int, std::size_t) override { return nullptr; }
    const std::byte* arrived(int slot, std::size_t) override { return arrived_[index(slot)]; }

protected:
    bool hand_over(int peer, int slot, std::size_t bytes) {
        const Segment::handle_t handle = own_.get_handle_from_address(outgoing(peer, slot, bytes));
        return to_[index(peer)]->try_push(&handle, sizeof handle);
    }
    bool take_over(int peer, int slot) {
        Segment::handle_t handle = 0;
        if (!from_[index(peer)]->try_pull(&handle)) return false;
        arrived_[index(slot)] =
            static_cast<std::byte*>(peers_[index(peer)]->get_address_from_handle(handle));
        return true;
    }

    void let_others() const { relax(setup_.crowded); }

private:
    static std::size_t index(int number) noexcept { return static_cast<std::size_t>(number); }

    [[nodiscard]] std::string segment_of(int rank) const {
        return shared_name(setup_, "segment" + std::to_string(rank));
    }

    /// As soon as the peer has made it.
    [[nodiscard]] std::unique_ptr<Segment> open_segment(int peer) const {
        constexpr int tries = 5000;
        for (int i = 1;; ++i) {
            try {
                return std::make_unique<Segment>(ipc::open_only, segment_of(peer).c_str());
            } catch (const ipc::interprocess_exception&) {
                if (i == tries) throw;
                ::usleep(1000);
            }
        }
    }

    [[nodiscard]] std::unique_ptr<BoostQueue> queue(int from, int to) const {
        if (!talk(from, to)) return nullptr;
        return std::make_unique<BoostQueue>(setup_, from, to, "offsets.", std::size_t{max_slots},
                                            sizeof(Segment::handle_t));
    }

    Setup setup_;
    std::string name_;
    Segment own_;
    std::byte* area_;
    std::vector<const std::byte*> arrived_;
    std::vector<std::unique_ptr<Segment>> peers_;
    std::vector<std::unique_ptr<BoostQueue>> to_;
    std::vector<std::unique_ptr<BoostQueue>> from_;
};

class BoostOffsetLink final : public StepwiseLink<BoostOffset> {
public:
    explicit BoostOffsetLink(const Setup& setup) : StepwiseLink(setup) {}

private:
    std::size_t push(const Operation& one) override {
        return hand_over(one.peer, one.slot, one.bytes) ? one.bytes : 0;
    }
    std::size_t pull(const Operation& one) override {
        return take_over(one.peer, one.slot) ? one.bytes : 0;
    }
    void wait_for_more() override { let_others(); }
};

}  // namespace

std::string library() { return "Boost.Interprocess " BOOST_LIB_VERSION; }

std::unique_ptr<Link> make_link(const Setup& setup) {
    return std::make_unique<BoostOffsetLink>(setup);
}

}  // namespace onecopy::p2p
