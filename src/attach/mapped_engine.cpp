// Copying straight from and to memory of the target that is mapped here: no system call.
//
// The kernel has no part in it, so what it would refuse must be found out before: a bad address on
// our side would be a signal. On the target's side there is nothing to be refused: the mapping is
// ours, whatever protections the target gave its own.
#include <algorithm>
#include <cerrno>

#include "attach/engine.hpp"
#include "attach/mapped_copy.hpp"
#include "attach/peer_memory.hpp"
#include "os/own_memory.hpp"

namespace onecopy::attach {
namespace {

class MappedEngine final : public Engine {
public:
    [[nodiscard]] std::string_view name() const noexcept override { return "mapped"; }

    [[nodiscard]] plan::Limits limits() const noexcept override {
        return {batch_runs, batch_runs, batch_bytes};
    }

    [[nodiscard]] Proof proof(const Target& target) const noexcept override {
        return owner_was_here(*target.peer_memory()) ? Proof::certain : Proof::none;
    }

    [[nodiscard]] int admit(const Target& target, Direction direction,
                            int /*refusal*/) const noexcept override {
        if (target.peer_memory() == nullptr) return EOPNOTSUPP;
        if (target.peer_memory()->owner_is_here()) return 0;
        // The memory outlives its process: nothing may be written there for nobody.
        if (direction == Direction::write && target.image() == Target::Image::gone) return ESRCH;
        return target.ended() ? ESRCH : 0;
    }

    [[nodiscard]] Step move(const Target& target, Direction direction,
                            const plan::Batch& batch) const noexcept override {
        PeerMemory* const memory = target.peer_memory();
        if (memory == nullptr) return {0, EOPNOTSUPP};
        plan::Cursor local(batch.local, batch.local_runs);
        plan::Cursor remote(batch.remote, batch.remote_runs);
        std::uint64_t done = 0;
        while (!local.done() && !remote.done()) {
            const plan::Run near = local.run();
            const plan::Run far = remote.run();
            const PeerMemory::Reach there =
                memory->reach(far.address, std::min(near.bytes, far.bytes));
            if (there.bytes.empty()) return {done, EOPNOTSUPP};
            auto* const here =
                reinterpret_cast<std::byte*>(static_cast<std::uintptr_t>(near.address));
            const os::Touch how = direction == Direction::read ? os::Touch::write : os::Touch::read;
            const std::size_t good = os::accessible(here, there.bytes.size(), how);
            copy_mapped(direction, here, there.bytes.data(), good);
            done += good;
            if (good < there.bytes.size()) return {done, done > 0 ? 0 : EFAULT};
            local.advance(good);
            remote.advance(good);
        }
        return {done, 0};
    }
};

}  // namespace

const Engine& mapped_engine() noexcept {
    static const MappedEngine engine;
    return engine;
}

}  // namespace onecopy::attach
