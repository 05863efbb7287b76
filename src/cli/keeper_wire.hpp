// What the front of a job and its keeper say to each other (launch_ranks.hpp).
#pragma once

#include <string>
#include <utility>
#include <variant>

#include "os/fd.hpp"

namespace onecopy::cli {

/// To the keeper: a signal that the front was sent.
struct PassedOn {
    int signal;
    bool from_terminal;  ///< so the front's process group has got it already
};

/// To the front, last: how the job ended.
struct Outcome {
    int status;  ///< the exit status
    int signal;  ///< or, if not 0, the signal by which the front is to end
};

/// To the front: a line for standard error. The keeper does not write it itself, since it would
/// wait where nobody reads there.
struct Line {
    std::string text;
};

/// One end of the wire between them; all that was sent arrives, in order, before its end. A message
/// for an end that is gone is lost. For one thread.
class KeeperWire {
public:
    /// The front's end and the keeper's. Throws std::system_error.
    static std::pair<KeeperWire, KeeperWire> make();

    void send(const PassedOn& message) const noexcept;
    void send(const Outcome& message) const noexcept;
    void send(const Line& message) const noexcept;

    struct Nothing {};
    struct End {};
    using Message = std::variant<Nothing, End, PassedOn, Outcome, Line>;
    /// The next one if it has arrived.
    [[nodiscard]] Message receive() const;

    /// Readable when there is one, or the end; -1 once closed.
    [[nodiscard]] int get() const noexcept { return fd_.get(); }
    void close() noexcept { fd_ = os::Fd(); }

private:
    explicit KeeperWire(int fd) noexcept : fd_(fd) {}

    os::Fd fd_;
};

}  // namespace onecopy::cli
