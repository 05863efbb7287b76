// One rank's part of a window, as another rank reaches it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <system_error>

#include "node/endpoint.hpp"
#include "onecopy/attachment.hpp"
#include "onecopy/process.hpp"
#include "os/mapping.hpp"
#include "windows/control.hpp"

namespace onecopy::windows {

/// What a rank tells the others of its part.
struct Part {
    std::uint64_t address;
    std::uint64_t bytes;
    ControlName control;
    std::uint32_t closed;    ///< what Control::closed will be when this window is
    std::uint16_t in_arena;  ///< others can map it
    std::uint16_t verdict;   ///< why there cannot be a window; 0: there can
};

/// Whether this rank has locked it, and how.
enum class Held : std::uint8_t { no, shared, exclusive };

/// Found once, then it stays: the mapping and the handle are of this window.
class Target {
public:
    Part part{};
    int member = -1;  ///< the rank in the job
    Control* control = nullptr;
    /// Under the endpoint's lock.
    Held held = Held::no;
    std::uint32_t ticket = 0;

    /// The memory as it is mapped here, all of it; null if it is not yet, or cannot be.
    [[nodiscard]] std::byte* memory() const noexcept {
        return memory_.load(std::memory_order_acquire);
    }
    /// Our own part.
    void is_ours(std::byte* memory) noexcept { memory_.store(memory, std::memory_order_release); }
    [[nodiscard]] const Process* process() const noexcept {
        return process_.load(std::memory_order_acquire);
    }

    /// Whether all of it can be reached: maps nothing yet. Under the endpoint's lock, as the next.
    [[nodiscard]] std::error_code may_be_reached(node::Endpoint& endpoint) const noexcept;
    /// Maps it, or finds the process that has it. It is no error to have done so before.
    std::error_code reach(node::Endpoint& endpoint) noexcept;

private:
    std::error_code map_across_windows(node::Endpoint& endpoint, const Attachment& arena) noexcept;

    std::atomic<std::byte*> memory_{nullptr};
    std::atomic<const Process*> process_{nullptr};
    View view_;            // in a window of the arena's cache
    os::Mapping mapping_;  // of its own, where that would be several
};

}  // namespace onecopy::windows
