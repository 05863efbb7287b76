// The system calls process_vm_readv and process_vm_writev.
#include <sys/uio.h>

#include <array>
#include <cerrno>

#include "attach/engine.hpp"

namespace onecopy::attach {
namespace {

/// The runs of a batch as the kernel wants them. Where pointers are as wide as our addresses, a Run
/// is an iovec already; in a 32-bit program it is converted, and an address above 4 GiB (in a
/// 64-bit target) cannot be said at all: it would be cut to somebody else's bytes.
class Iovecs {
public:
    Iovecs(const plan::Run* runs, std::size_t count) noexcept {
        if constexpr (same_layout) {
            list_ = reinterpret_cast<const iovec*>(runs);
        } else {
            for (std::size_t i = 0; i < count; ++i) {
                const std::uint64_t last = runs[i].address + runs[i].bytes - 1;
                if (last > UINTPTR_MAX || last < runs[i].address) return;
                copies_[i].iov_base =
                    reinterpret_cast<void*>(static_cast<std::uintptr_t>(runs[i].address));
                copies_[i].iov_len = static_cast<std::size_t>(runs[i].bytes);
            }
            list_ = copies_.data();
        }
    }
    /// Null when an address does not fit.
    [[nodiscard]] const iovec* get() const noexcept { return list_; }

private:
    static constexpr bool same_layout =
        sizeof(iovec) == sizeof(plan::Run) && sizeof(std::size_t) == sizeof(std::uint64_t);
    const iovec* list_ = nullptr;
    std::array<iovec, same_layout ? 0 : batch_runs> copies_;
};

class ProcessVmEngine final : public Engine {
public:
    [[nodiscard]] std::string_view name() const noexcept override { return "process_vm"; }

    [[nodiscard]] plan::Limits limits() const noexcept override {
        return {batch_runs, batch_runs, batch_bytes};
    }

    [[nodiscard]] int admit(const Target& target, Direction direction,
                            int /*refusal*/) const noexcept override {
        if (direction == Direction::read || target.is_self()) return 0;
        // A number recycled before the call would be overwritten; a check afterwards is too late.
        if (!target.options().held) return EOPNOTSUPP;
        if (target.ended())
            return ESRCH;  // in another pid namespace too: there the number is not it
        // Held: nobody else gets the number, but an exec may have replaced the memory behind it.
        return target.image() == Target::Image::gone ? ESRCH : 0;
    }

    [[nodiscard]] Step move(const Target& target, Direction direction,
                            const plan::Batch& batch) const noexcept override {
        const Iovecs local(batch.local, batch.local_runs);
        const Iovecs remote(batch.remote, batch.remote_runs);
        if (local.get() == nullptr || remote.get() == nullptr) return {0, EOPNOTSUPP};
        const auto call = direction == Direction::read ? ::process_vm_readv : ::process_vm_writev;
        const ssize_t moved =
            call(target.pid(), local.get(), batch.local_runs, remote.get(), batch.remote_runs, 0);
        if (moved >= 0) return {static_cast<std::uint64_t>(moved), 0};
        // Alive, yet "no such process": its first thread has ended. Another way may reach the rest.
        if (errno == ESRCH && !target.ended()) return {0, EOPNOTSUPP};
        return {0, errno};
    }
};

}  // namespace

const Engine& process_vm_engine() noexcept {
    static const ProcessVmEngine engine;
    return engine;
}

}  // namespace onecopy::attach
