// How the ranks of one machine find out, before any of them takes an MPI call over, that all of
// them do.
//
// A rank without us (another program in the job, an environment without LD_PRELOAD, another build)
// would wait in the MPI for what we carry past it: a hang. So each rank opens a listener *before*
// PMPI_Init, in whose course all ranks meet; hence afterwards a rank that has no listener has no
// onecopy, and nobody needs to wait for it. The coordinator (local rank 0) alone decides and alone
// has a timer; it connects to every rank, gathers what they are and whether they reach each other,
// and tells everybody the same verdict. A rank says nothing before it was asked, so one that goes
// away, gives up or is killed at any point makes the verdict no, never a split one.
//
// No MPI in here: under MPI it stands in front of MPI_Init, and the node layer grows from it.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "mpi/place.hpp"
#include "mpi/presence_wire.hpp"
#include "onecopy/process.hpp"
#include "os/fd.hpp"
#include "os/job_segment.hpp"

namespace onecopy::mpi {

/// What must be the same in all ranks, and what this one says of itself.
struct Terms {
    std::array<std::byte, 32> build{};  ///< the library's own build
    std::uint64_t settings = 0;         ///< a hash of all that decides which calls are taken
    std::string library;                ///< the MPI library
};

struct PresenceOptions {
    /// What the coordinator grants all ranks together to answer.
    std::chrono::milliseconds timeout{10'000};
    /// Room in the job segment for the layers above, after the table.
    std::size_t payload_bytes = 0;
    /// Looks whether a peer's memory can be read and is the peer's: empty if so; EPERM refused;
    /// no error but `strange` set: the pid means another process here. Replaced by tests only.
    std::function<std::error_code(const Process& peer, const TableLine& line, bool& strange)> probe;
    /// The scope of Yama on this machine, 0 without it. Replaced by tests only.
    std::function<int()> yama_scope;
};

/// What was agreed, the same in all ranks that were asked.
struct Agreement {
    bool go = false;
    std::string reason;   ///< if not: why
    bool speaks = false;  ///< whether it is this rank's part to tell the user
    // The rest only if `go`. By local rank:
    std::vector<Process> peers;
    std::vector<int> world_ranks;
    os::JobSegment segment;
    std::span<std::byte> payload;  ///< of the segment; the same bytes in all ranks, zero at first
};

/// One rank's part in it.
class Presence {
public:
    /// Opens the listener: before the ranks meet. Throws std::system_error: EADDRINUSE, somebody
    /// sits on the name (a child of this rank that calls MPI_Init itself, or a squatter).
    Presence(Place place, Terms terms, PresenceOptions options = {});
    ~Presence();
    Presence(Presence&&) noexcept;
    Presence& operator=(Presence&&) = delete;

    /// After the ranks have met. `objection` says why this rank cannot take part, empty if it can.
    /// Returns in bounded time unless the coordinator is stopped: then once it goes on. Keep this
    /// object until the job ends. Throws std::bad_alloc; the verdict is then no for everybody.
    Agreement agree(std::string objection = {});

    [[nodiscard]] const Place& place() const noexcept;

private:
    struct Rank;
    Agreement coordinate();
    Agreement follow();
    std::optional<Agreement> serve(os::Fd caller, std::chrono::steady_clock::time_point patience);

    std::unique_ptr<Rank> rank_;
};

/// The environment's ONECOPY_PRESENCE_TIMEOUT_MS, or 10 s.
std::chrono::milliseconds presence_timeout_from_environment();

}  // namespace onecopy::mpi
