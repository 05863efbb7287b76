// MPI's collectives. Compiled once for each MPI.
#include <memory>
#include <string>

#include "library.hpp"
#include "rank/mpi_rank.hpp"

namespace onecopy::together {
namespace {

using bench::check;

constexpr int root = 0;
const MPI_Comm world = MPI_COMM_WORLD;

class MpiLibrary final : public OrdinaryLibrary {
public:
    explicit MpiLibrary(const Setup& setup) : OrdinaryLibrary(setup), mpi_(setup) {}

    [[nodiscard]] int rank() const override { return mpi_.rank(); }

    void carry_out(Call call, std::size_t bytes) override {
        const int count = static_cast<int>(bytes / sizeof(double));
        const auto& type = MPI_DOUBLE;
        int code = MPI_SUCCESS;
        switch (call) {
            case Call::barrier:
                code = MPI_Barrier(world);
                break;
            case Call::bcast:
                code = MPI_Bcast(rank() == root ? from() : to(), count, type, root, world);
                break;
            case Call::gather:
                code = MPI_Gather(from(), count, type, to(), count, type, root, world);
                break;
            case Call::scatter:
                code = MPI_Scatter(from(), count, type, to(), count, type, root, world);
                break;
            case Call::allgather:
                code = MPI_Allgather(from(), count, type, to(), count, type, world);
                break;
            case Call::alltoall:
                code = MPI_Alltoall(from(), count, type, to(), count, type, world);
                break;
            case Call::reduce:
                code = MPI_Reduce(from(), to(), count, type, MPI_SUM, root, world);
                break;
            case Call::allreduce:
                code = MPI_Allreduce(from(), to(), count, type, MPI_SUM, world);
                break;
            case Call::reduce_scatter:
                code = MPI_Reduce_scatter_block(from(), to(), count, type, MPI_SUM, world);
                break;
            case Call::scan:
                code = MPI_Scan(from(), to(), count, type, MPI_SUM, world);
                break;
            case Call::exscan:
                code = MPI_Exscan(from(), to(), count, type, MPI_SUM, world);
                break;
        }
        check(code, "a collective of MPI");
    }

    void start(Call call, std::size_t bytes) override {
        const int count = static_cast<int>(bytes / sizeof(double));
        int code = MPI_SUCCESS;
        if (call == Call::allreduce) {
            code = MPI_Iallreduce(from(), to(), count, MPI_DOUBLE, MPI_SUM, world, &request_);
        } else if (call == Call::bcast) {
            code = MPI_Ibcast(rank() == root ? from() : to(), count, MPI_DOUBLE, root, world,
                              &request_);
        } else {
            code =
                MPI_Ialltoall(from(), count, MPI_DOUBLE, to(), count, MPI_DOUBLE, world, &request_);
        }
        check(code, "a non-blocking collective of MPI");
    }
    void test() override {
        int done = 0;
        check(MPI_Test(&request_, &done, MPI_STATUS_IGNORE), "MPI_Test");
    }
    void wait() override { check(MPI_Wait(&request_, MPI_STATUS_IGNORE), "MPI_Wait"); }

    void progress() override { bench::MpiRank::progress(); }

private:
    bench::MpiRank mpi_;
    MPI_Request request_ = MPI_REQUEST_NULL;
};

}  // namespace
}  // namespace onecopy::together

namespace onecopy::bench {

std::string library() { return MpiRank::version(); }

std::unique_ptr<Member> join(const Setup& setup) {
    return std::make_unique<together::MpiLibrary>(setup);
}

}  // namespace onecopy::bench
