// A received message that is read where its sender has it.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "onecopy/status.hpp"

namespace onecopy {

/// The bytes of one message, readable here while this lives. Movable.
///
/// If the message lies in its sender's arena nothing is copied: the sender's request is done, and
/// its memory its own again, when this is destroyed (or the process that has it ends, however it
/// ends). The sender may have died meanwhile: the bytes stay. A message that cannot be mapped in
/// one piece (small, from ordinary memory, or across the border of two windows) is a copy. One
/// thread at a time. Must not outlive its Node.
class MessageView {
public:
    MessageView() noexcept;
    MessageView(MessageView&&) noexcept;
    MessageView& operator=(MessageView&&) noexcept;
    ~MessageView();

    [[nodiscard]] std::span<const std::byte> bytes() const noexcept;
    [[nodiscard]] const Status& status() const noexcept;
    /// Whether the bytes are the sender's own, not a copy.
    [[nodiscard]] bool in_place() const noexcept;

private:
    friend class Communicator;
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace onecopy
