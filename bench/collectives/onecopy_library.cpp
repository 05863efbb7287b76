// Our own collectives.
#include <cstddef>
#include <memory>
#include <string>

#include "library.hpp"
#include "rank/onecopy_rank.hpp"

namespace onecopy::together {
namespace {

constexpr int root = 0;

class OnecopyLibrary final : public Library {
public:
    explicit OnecopyLibrary(const Setup& setup)
        : node_(setup), ranks_(static_cast<std::size_t>(setup.ranks)) {}

    [[nodiscard]] int rank() const override { return node_.rank(); }
    [[nodiscard]] std::byte* from() override { return node_.from(); }
    [[nodiscard]] std::byte* to() override { return node_.to(); }

    void carry_out(Call call, std::size_t bytes) override {
        const ConstSegment one_out(from(), bytes);
        const ConstSegment all_out(from(), bytes * ranks_);
        const Segment one_in(to(), bytes);
        const Segment all_in(to(), bytes * ranks_);
        const Reduction sum(Op::sum, Type::float64);
        Communicator& world = node_.world();
        switch (call) {
            case Call::barrier:
                return world.barrier();
            case Call::bcast:
                return world.bcast(rank() == root ? Segment(from(), bytes) : one_in, root);
            case Call::gather:
                return world.gather(one_out, all_in, root);
            case Call::scatter:
                return world.scatter(all_out, one_in, root);
            case Call::allgather:
                return world.allgather(one_out, all_in);
            case Call::alltoall:
                return world.alltoall(all_out, all_in);
            case Call::reduce:
                return world.reduce(one_out, one_in, sum, root);
            case Call::allreduce:
                return world.allreduce(one_out, one_in, sum);
            case Call::reduce_scatter:
                return world.reduce_scatter_block(all_out, one_in, sum);
            case Call::scan:
                return world.scan(one_out, one_in, sum);
            case Call::exscan:
                return world.exscan(one_out, one_in, sum);
        }
    }

    void start(Call call, std::size_t bytes) override {
        Communicator& world = node_.world();
        if (call == Call::allreduce) {
            request_ = world.iallreduce(ConstSegment(from(), bytes), Segment(to(), bytes),
                                        Reduction(Op::sum, Type::float64));
        } else if (call == Call::bcast) {
            request_ = world.ibcast(Segment(rank() == root ? from() : to(), bytes), root);
        } else {
            request_ = world.ialltoall(ConstSegment(from(), bytes * ranks_),
                                       Segment(to(), bytes * ranks_));
        }
    }
    void test() override {
        // What is done stays so: its end is waited for all the same.
        if (request_.active()) request_.test();
    }
    void wait() override {
        if (request_.active()) request_.wait();
    }

    /// What others wait for may still need this side.
    void progress() override { node_.world().iprobe(any_source, any_tag); }

private:
    bench::OnecopyRank node_;
    std::size_t ranks_;
    Request request_;
};

}  // namespace
}  // namespace onecopy::together

namespace onecopy::bench {

std::string library() { return OnecopyRank::version(); }

std::unique_ptr<Member> join(const Setup& setup) {
    return std::make_unique<together::OnecopyLibrary>(setup);
}

}  // namespace onecopy::bench
