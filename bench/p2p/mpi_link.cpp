// MPI: MPI_Send and MPI_Recv, MPI_Isend and MPI_Irecv. Compiled once for each MPI.
#include <mpi.h>

#include <algorithm>
#include <string>
#include <vector>

#include "copying_link.hpp"

namespace onecopy::p2p {
namespace {

constexpr int tag = 0;

void check(int code, const char* what) {
    if (code != MPI_SUCCESS) throw Unusable(std::string(what) + " failed");
}

class MpiLink final : public OrdinaryLink {
public:
    explicit MpiLink(const Setup& setup) : OrdinaryLink(setup) {
        check(MPI_Init(nullptr, nullptr), "MPI_Init");
        check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
        int ranks = 0;
        check(MPI_Comm_size(MPI_COMM_WORLD, &ranks), "MPI_Comm_size");
        // A program of another MPI than its launcher's is alone in its world.
        if (ranks != setup.ranks) throw Unusable("mpirun and the driver are of different MPIs");
    }
    ~MpiLink() override { MPI_Finalize(); }

    [[nodiscard]] int rank() const override { return rank_; }

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
    /// What was sent may still need this side.
    void progress() override {
        int found = 0;
        MPI_Iprobe(MPI_ANY_SOURCE, tag, MPI_COMM_WORLD, &found, MPI_STATUS_IGNORE);
    }

private:
    int rank_ = -1;
    std::vector<MPI_Request> requests_;
};

}  // namespace

/// The first line, up to a comma, of what it says about itself.
std::string library() {
    std::string text(MPI_MAX_LIBRARY_VERSION_STRING, '\0');
    int length = 0;
    MPI_Get_library_version(text.data(), &length);
    text.resize(static_cast<std::size_t>(length));
    text = text.substr(0, text.find_first_of(",\n"));
    std::replace(text.begin(), text.end(), '\t', ' ');
    return text;
}

std::unique_ptr<Link> make_link(const Setup& setup) { return std::make_unique<MpiLink>(setup); }

}  // namespace onecopy::p2p
