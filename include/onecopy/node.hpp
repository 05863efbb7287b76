// This process as a rank: of the job that `onecopy run` or a launcher with PMIx (Open MPI's mpirun,
// `srun --mpi=pmix`) started it in, or of one that its processes make themselves.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "onecopy/arena.hpp"
#include "onecopy/communicator.hpp"
#include "onecopy/node_counters.hpp"

namespace onecopy {

struct NodeOptions {
    /// Whether several threads of this process use its communicators at a time.
    bool threads = false;
    /// Bytes that can be handed out at once from the node's arena; 0: as ArenaOptions says.
    std::size_t arena_bytes = 0;

    /// For processes that were started otherwise: a text that all ranks of the job know and nobody
    /// else (not from an argument, which everybody can see), and which of how many this one is. If
    /// there is no key here, the environment says what is to be done: ONECOPY_JOB, "fd:NUMBER"
    /// (from `onecopy run`) or "key:TEXT"; ONECOPY_RANK, ONECOPY_SIZE, ONECOPY_DIRECTORY. Without
    /// ONECOPY_JOB a launcher's PMIx is asked; see docs/run.md.
    std::string key;
    int rank = -1;
    int size = -1;
    /// With a key: a directory closed to others (0700), where the ranks share no network namespace;
    /// nothing stays in it. Under PMIx ONECOPY_DIRECTORY says it.
    std::string directory;
    /// With a key or PMIx: how long the ranks wait for each other here.
    std::chrono::milliseconds timeout{60'000};
};

/// A rank. One for each process and job at a time.
///
/// The thread that makes it should live as long as it does: by that thread's end the others see
/// that the rank may be gone, and must ask the kernel until another thread of it comes here.
class Node {
public:
    /// Joins the job: under `onecopy run` without waiting for the other ranks; by key or PMIx when
    /// all ranks (with PMIx: of this machine) have come. Throws std::system_error: Errc::no_job;
    /// EINVAL, no such rank, what the environment names is no job of this version, or
    /// ONECOPY_WAYS, ONECOPY_SCHEDULES or ONECOPY_TOPOLOGY is wrong; EEXIST, another process is
    /// that rank; ETIMEDOUT, not all ranks came; EADDRINUSE, a job with that key is just meeting,
    /// or somebody sits on its name; EPERM, the directory is open to others; and as Arena.
    explicit Node(const NodeOptions& options = {});
    /// Leaves: whoever waits for a message from this rank gets Errc::peer_left.
    ~Node();
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    [[nodiscard]] int rank() const noexcept;
    [[nodiscard]] int size() const noexcept;

    /// All ranks of the job.
    [[nodiscard]] Communicator& world() noexcept;

    /// Memory that the other ranks can map: what is sent from here and received into it is copied
    /// without a system call, by both sides.
    [[nodiscard]] Arena& arena() noexcept;

    /// By which ways the messages went. With ONECOPY_STATS=1 in the environment each rank prints
    /// them to standard error, in one line, when it leaves.
    [[nodiscard]] NodeCounters counters() const noexcept;

    /// For the layers above.
    [[nodiscard]] node::Endpoint& endpoint() noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace onecopy
