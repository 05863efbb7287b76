// What can go wrong between ranks, beside what the kernel says.
#pragma once

#include <system_error>

namespace onecopy {

/// Errors of our own, in the category `onecopy`; the kernel's numbers stay in
/// std::system_category().
enum class Errc {
    truncated = 1,  ///< the message is longer than the memory it was received into
    peer_died,      ///< a rank of the communicator has ended without leaving
    peer_left,      ///< the rank has left the job: it neither sends nor receives any more
    bad_rank,       ///< no such rank in the communicator
    bad_tag,        ///< tags are not negative (but any_tag, where a message is received)
    cancelled,      ///< the receive was cancelled before a message came
    no_job,         ///< this process is no rank: not started by `onecopy run`, no key given
    mismatch,       ///< the ranks of a collective do not agree on what it is
    bad_range,      ///< the bytes do not all lie in the target's part of the window
};

/// Named "onecopy". Any thread.
const std::error_category& onecopy_category() noexcept;

inline std::error_code make_error_code(Errc error) noexcept {
    return {static_cast<int>(error), onecopy_category()};
}

}  // namespace onecopy

template <>
struct std::is_error_code_enum<onecopy::Errc> : std::true_type {};
