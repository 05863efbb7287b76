// MPI: MPI_Send and MPI_Recv, MPI_Isend and MPI_Irecv. Compiled once for each MPI.
#include <string>
#include <vector>

#include "copying_link.hpp"
#include "rank/mpi_rank.hpp"

namespace onecopy::p2p {
namespace {

constexpr int tag = 0;

using bench::check;

class MpiLink final : public OrdinaryLink {
public:
    explicit MpiLink(const Setup& setup) : OrdinaryLink(setup), mpi_(setup) {}

    [[nodiscard]] int rank() const override { return mpi_.rank(); }

    void send(int peer, int slot, std::size_t bytes) override {
        check(MPI_Send(outgoing(peer, slot, bytes), static_cast<int>(bytes), MPI_BYTE, peer, tag,
                       MPI_COMM_WORLD),
              "MPI_Send");
    }
    const std::byte* recv(int peer, int slot, std::size_t bytes) override {
        std::byte* const to = landing(slot, bytes);
        check(MPI_Recv(to, static_cast<int>(bytes), MPI_BYTE, peer, tag, MPI_COMM_WORLD,
                       MPI_STATUS_IGNORE),
              "MPI_Recv");
        return to;
    }
    void start_send(int peer, int slot, std::size_t bytes) override {
        check(MPI_Isend(outgoing(peer, slot, bytes), static_cast<int>(bytes), MPI_BYTE, peer, tag,
                        MPI_COMM_WORLD, &requests_.emplace_back()),
              "MPI_Isend");
    }
    void start_recv(int peer, int slot, std::size_t bytes) override {
        check(MPI_Irecv(landing(slot, bytes), static_cast<int>(bytes), MPI_BYTE, peer, tag,
                        MPI_COMM_WORLD, &requests_.emplace_back()),
              "MPI_Irecv");
    }
    void wait_all() override {
        check(
            MPI_Waitall(static_cast<int>(requests_.size()), requests_.data(), MPI_STATUSES_IGNORE),
            "MPI_Waitall");
        requests_.clear();
    }
    void progress() override { bench::MpiRank::progress(); }

private:
    bench::MpiRank mpi_;
    std::vector<MPI_Request> requests_;
};

}  // namespace

std::string library() { return bench::MpiRank::version(); }

std::unique_ptr<Link> make_link(const Setup& setup) { return std::make_unique<MpiLink>(setup); }

}  // namespace onecopy::p2p
