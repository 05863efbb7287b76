// Handing an arena over to peers that were not started by its owner.
//
// A child inherits the descriptor, and pidfd_getfd(2) fetches it with the right to trace the owner.
// Everybody else knocks at a door: a socket of the owner's, where it checks who knocks before it
// hands the descriptor out.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "onecopy/arena.hpp"
#include "onecopy/attachment.hpp"

namespace onecopy {

/// What all parties of a job know and nobody else: it came to them by inheritance, or in a file
/// that only their user can read. Never in an argument or a name, which everybody can see.
using JobSecret = std::array<std::byte, 32>;

/// A new one, from the kernel's random numbers. Throws std::system_error. Source: getrandom(2).
JobSecret make_job_secret();

/// Who may come in.
enum class Admit : std::uint8_t {
    same_user,  ///< who runs as the owner's effective user, and knows the secret
    secret  ///< who knows the secret: for containers whose users do not map onto each other. The
            ///< door must then be a file in a directory of the job's own (mode 0700)
};

/// A door to an arena. Its owner answers it: when it likes, or in a thread.
///
/// Nothing is left behind: an abstract name ends with its socket; a file is removed by the
/// destructor (after a crash it stays, and the next door of that name takes its place).
class ArenaDoor {
public:
    /// `path`: empty for an abstract name made of random letters, or where the file is to be.
    /// Throws std::system_error: EADDRINUSE, a living door has that name; EPERM, Admit::secret with
    /// an abstract name, or in a directory that others may write; and what bind(2) gives.
    ArenaDoor(const Arena& arena, const JobSecret& secret, const std::string& path = {},
              Admit admit = Admit::same_user);
    ~ArenaDoor();
    ArenaDoor(ArenaDoor&&) noexcept;
    ArenaDoor& operator=(ArenaDoor&&) noexcept;

    /// What to tell the peers: "@..." or the path.
    [[nodiscard]] const std::string& name() const noexcept;

    /// Polls readable when answer() has something to do. Owned by the door.
    [[nodiscard]] int fd() const noexcept;

    /// Lets in who waits outside and is admitted, never blocks; who is not, or says nothing for a
    /// second, finds the door closed. Returns how many were let in.
    std::size_t answer() noexcept;

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Knocks at the door `name` and waits for the answer. Throws std::system_error: ECONNREFUSED or
/// ENOENT, nobody lives there; EACCES, not admitted, or the owner is another user and the name no
/// file (then somebody else may sit there, and the secret was not told); ETIMEDOUT; EPROTO, no door
/// of this version; and as Attachment.
Attachment knock(const Windows& windows, std::string_view name, const JobSecret& secret,
                 std::chrono::milliseconds timeout = std::chrono::seconds(10));

}  // namespace onecopy
