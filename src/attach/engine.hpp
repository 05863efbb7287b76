// The ways of moving bytes between this process and another, behind one interface.
#pragma once

#include <span>
#include <string_view>

#include "attach/target.hpp"
#include "plan/walk.hpp"

namespace onecopy::attach {

enum class Direction { read, write };

/// What one call moved, and the errno that stopped it (0: all, or a short count whose reason the
/// next call will tell).
struct Step {
    std::uint64_t bytes = 0;
    int error = 0;
};

/// A way of moving bytes. Engines have no state of their own: any thread may use them at any time.
///
/// Errors of move(): EFAULT, at the first byte, is the caller's to hear. EPERM, EACCES, ENOSYS,
/// EOPNOTSUPP mean that this way is closed and another may be open. ESRCH: the memory is gone.
class Engine {
public:
    Engine() = default;
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    virtual ~Engine() = default;

    [[nodiscard]] virtual std::string_view name() const noexcept = 0;

    /// What one move() takes; at most `batch_runs` runs a side.
    [[nodiscard]] virtual plan::Limits limits() const noexcept = 0;

    /// Whether this way may be tried now: 0, or the errno it would be refused with. `refusal` is
    /// what the way before this one was refused with, 0 if it was not tried.
    [[nodiscard]] virtual int admit(const Target& target, Direction direction,
                                    int refusal) const noexcept = 0;

    /// What is known, behind a move(), of whose memory it met: by an engine of the kernel's, that
    /// it was the target's if that has not ended, unless the call waited or ended short. Memory
    /// that is mapped here outlives its process: then either a word in it proves that its owner is
    /// there still (`certain`), or the memory image must be looked at (`none`).
    enum class Proof { none, by_the_call, certain };
    [[nodiscard]] virtual Proof proof(const Target& /*target*/) const noexcept {
        return Proof::by_the_call;
    }

    /// Moves one batch. Exact: `bytes` were moved, those beyond were not (but see ESRCH).
    [[nodiscard]] virtual Step move(const Target& target, Direction direction,
                                    const plan::Batch& batch) const noexcept = 0;
};

/// The runs a batch holds at the most on either side: 8 KiB of stack for both, since a thread that
/// calls us may have little; more than 256 a call gained nothing that could be measured.
inline constexpr std::size_t batch_runs = 256;

/// The bytes of a batch at the most. Far below the kernel's cut at 0x7ffff000, so that a target
/// which dies costs its caller little that had been verified; a whole number of any element.
inline constexpr std::uint64_t batch_bytes = 48U << 20;

/// Memory is good or bad as a whole in pieces of this size; larger real pages are multiples.
inline constexpr std::uint64_t smallest_page = 4096;

const Engine& mapped_engine() noexcept;
const Engine& process_vm_engine() noexcept;
const Engine& proc_mem_engine() noexcept;

/// All engines of this layer, in the order in which they are tried.
std::span<const Engine* const> engines() noexcept;

/// Whether an errno closes a way (another may be open) instead of ending the transfer.
constexpr bool closes_the_way(int error) noexcept {
    return error == EPERM || error == EACCES || error == ENOSYS || error == EOPNOTSUPP;
}

}  // namespace onecopy::attach
