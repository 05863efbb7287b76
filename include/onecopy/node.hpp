// This process as a rank: of the job that `onecopy run` started it in.
#pragma once

#include <memory>

#include "onecopy/arena.hpp"
#include "onecopy/communicator.hpp"

namespace onecopy {

struct NodeOptions {
    /// Whether several threads of this process use its communicators at a time.
    bool threads = false;
    /// Bytes that can be handed out at once from the node's arena; 0: as ArenaOptions says.
    std::size_t arena_bytes = 0;
};

/// A rank. One for each process and job at a time.
///
/// The thread that makes it should live as long as it does: by that thread's end the others see
/// that the rank may be gone, and must ask the kernel until another thread of it comes here.
class Node {
public:
    /// Joins the job that the environment names (ONECOPY_JOB, ONECOPY_RANK: set by `onecopy run`).
    /// Returns without waiting for the other ranks. Throws std::system_error: Errc::no_job; EINVAL,
    /// what the environment names is no job of this version; EEXIST, another process is that rank;
    /// and as Arena.
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

    /// For the layers above.
    [[nodiscard]] node::Endpoint& endpoint() noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace onecopy
