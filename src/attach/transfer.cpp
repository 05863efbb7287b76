#include "attach/transfer.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>

#include "attach/mapped_at_once.hpp"
#include "attach/read_at_once.hpp"
#include "os/no_cancel.hpp"
#include "os/ticks.hpp"
#include "os/touch.hpp"

namespace onecopy::attach {
namespace {

/// In a transfer of many calls the memory image is looked at again at least so often, so that
/// little is lost when it turns out to be gone; some 100 us.
constexpr std::uint64_t unproven_ticks = 250000;

/// Room for one batch; uninitialised on purpose, since most batches use one run of it.
struct Room {
    std::array<plan::Run, batch_runs> local;
    std::array<plan::Run, batch_runs> remote;
};

/// Carries the walk on with one engine. Adds what it moved to `done`, and returns what stopped it:
/// 0 at the end of a list, or an errno. At ESRCH only what had been proven before is counted.
template <class Walk>
int drive(const Engine& engine, const Target& target, Direction direction, Walk& walk,
          std::uint64_t& done) noexcept {
    Room room;
    plan::Batch batch{room.local.data(), room.remote.data(), 0, 0, 0};
    plan::Limits limits = engine.limits();
    std::uint64_t proven = done;  // what is known to have come from or gone to the same image
    std::uint64_t proof = os::ticks();
    const bool watch = target.options().watch_image;
    while (!walk.done()) {
        walk.fill(batch, limits);
        const std::uint64_t start = os::ticks();
        const Step step = engine.move(target, direction, batch);
        if (step.bytes > 0) {
            const std::uint64_t now = os::ticks();
            const Engine::Proof known = engine.proof(target);
            const bool certain = known == Engine::Proof::certain;
            const bool doubtful =
                watch || known == Engine::Proof::none || step.bytes < batch.bytes ||
                may_have_waited(now - start, step.bytes) || now - proof > unproven_ticks;
            if (!certain && !target.still_there(doubtful)) {
                done = proven;
                return ESRCH;
            }
            done += step.bytes;
            walk.advance(step.bytes, batch.bytes);
            if (limits.bytes < smallest_page) limits.bytes = smallest_page;
            if (certain || doubtful) {
                proven = done;
                proof = os::ticks();
            }
        }
        if (step.error == EFAULT) {
            // The kernel refuses a whole list for one local address of its own half, wherever it
            // stands, and a whole run for its end there: one run, and then one page at a time finds
            // the exact byte.
            if (batch.local_runs > 1 || batch.remote_runs > 1) {
                limits.local_runs = limits.remote_runs = 1;
                continue;
            }
            const std::uint64_t border =
                smallest_page - (batch.local[0].address & (smallest_page - 1));
            if (batch.bytes > border) {
                limits.bytes = border;
                continue;
            }
            // Foreign memory may lie where ours was: an exec explains the fault better.
            if (target.image() != Target::Image::gone) return EFAULT;
            done = proven;
            return ESRCH;
        }
        if (step.error != 0) return step.error;
    }
    return 0;
}

/// The refusal to report when every way was closed: what the kernel's right said, if it spoke.
int graver(int one, int other) noexcept {
    const auto weight = [](int error) {
        return error == EPERM ? 4 : error == EACCES ? 3 : error == ENOSYS ? 2 : error != 0 ? 1 : 0;
    };
    return weight(one) >= weight(other) ? one : other;
}

template <class Walk>
Transfer carry(const Target& target, Direction direction, Walk& walk,
               std::span<const Engine* const> engines) noexcept {
    const os::NoCancel no_cancel;
    Transfer result;
    int refusal = 0;
    int last = 0;
    if (walk.done()) return result;
    for (const Engine* engine : engines) {
        int error = engine->admit(target, direction, last);
        if (error == 0) error = drive(*engine, target, direction, walk, result.bytes);
        if (error == 0) return result;
        if (!closes_the_way(error)) {
            result.error.assign(error, std::system_category());
            return result;
        }
        last = error;
        refusal = graver(refusal, error);
    }
    // EACCES is /proc's word for the same refusal. A process that is about to end is refused in
    // other ways than one that has.
    if (refusal == EACCES || refusal == EOPNOTSUPP) refusal = EPERM;
    if (target.ended() || target.probe() == Target::no_memory) refusal = ESRCH;
    result.error.assign(refusal, std::system_category());
    return result;
}

/// How much of our own memory from `address` on can be read or written.
std::uint64_t reachable(std::uint64_t address, std::uint64_t bytes, os::Touch how) noexcept {
    if (address > UINTPTR_MAX) return 0;
    const std::uint64_t room = std::min<std::uint64_t>(bytes, UINTPTR_MAX - address);
    return os::touchable(reinterpret_cast<void*>(static_cast<std::uintptr_t>(address)),
                         static_cast<std::size_t>(room), how);
}

/// Within one process both sides may overlap. The kernel copies upwards, which is right unless the
/// destination starts inside the source: such a pair goes from its end, through a tile. So that its
/// count is one from the start all the same, what can be reached is found out before.
template <class LocalSegment>
Transfer carry_within(const Target& self, Direction direction,
                      plan::Walk<LocalSegment, RemoteSegment> walk,
                      std::span<const Engine* const> engines) noexcept {
    std::array<std::byte, 4096> tile;
    Transfer result;
    while (!walk.done()) {
        const std::uint64_t bytes = walk.common();
        const std::uint64_t near = walk.local().run().address;
        const std::uint64_t far = walk.remote().run().address;
        const std::uint64_t source = direction == Direction::read ? far : near;
        const std::uint64_t target = direction == Direction::read ? near : far;
        const auto copy = [&](Direction way, std::uint64_t here, std::uint64_t there,
                              std::uint64_t count) {
            const plan::Run local{here, count};
            const plan::Run remote{there, count};
            plan::Walk pair(plan::Cursor(&local, 1), plan::Cursor(&remote, 1));
            return carry(self, way, pair, engines);
        };
        if (source < target && target - source < bytes) {
            const std::uint64_t good = std::min(reachable(source, bytes, os::Touch::read),
                                                reachable(target, bytes, os::Touch::write));
            const auto through = reinterpret_cast<std::uintptr_t>(tile.data());
            for (std::uint64_t left = good; left > 0;) {
                const std::uint64_t piece = std::min<std::uint64_t>(left, tile.size());
                left -= piece;
                Transfer moved = copy(Direction::read, through, source + left, piece);
                if (!moved.error) moved = copy(Direction::write, through, target + left, piece);
                if (moved.error) return {result.bytes, moved.error};
            }
            result.bytes += good;
            if (good < bytes) return {result.bytes, {EFAULT, std::system_category()}};
        } else {
            const Transfer moved = copy(direction, near, far, bytes);
            result.bytes += moved.bytes;
            if (moved.error) return {result.bytes, moved.error};
        }
        walk.skip(bytes);
    }
    return result;
}

template <class LocalSegment>
Transfer run(const Target& target, Direction direction, std::span<const LocalSegment> local,
             std::span<const RemoteSegment> remote,
             std::span<const Engine* const> engines) noexcept {
    plan::Walk walk(plan::Cursor(local.data(), local.size()),
                    plan::Cursor(remote.data(), remote.size()));
    if (target.is_self()) return carry_within(target, direction, walk, engines);
    return carry(target, direction, walk, engines);
}

}  // namespace

Transfer read(const Target& from, std::span<const RemoteSegment> remote,
              std::span<const Segment> local, std::span<const Engine* const> engines) noexcept {
    return run(from, Direction::read, local, remote, engines);
}

Transfer write(const Target& to, std::span<const ConstSegment> local,
               std::span<const RemoteSegment> remote,
               std::span<const Engine* const> engines) noexcept {
    return run(to, Direction::write, local, remote, engines);
}

}  // namespace onecopy::attach

namespace onecopy {
namespace {

const Transfer no_process{0, std::error_code(ESRCH, std::system_category())};

}  // namespace

Transfer read(const Process& from, std::span<const RemoteSegment> remote,
              std::span<const Segment> local) noexcept {
    if (from.empty()) return no_process;
    if (remote.size() == 1 && local.size() == 1) {
        const Transfer all{remote[0].bytes, {}};  // made here, where calls are still cheap
        if (attach::read_at_once(from.target(), remote[0], local[0])) return all;
        if (remote[0].bytes == local[0].size() &&
            attach::copy_mapped_at_once(from.target(), attach::Direction::read, remote[0].address,
                                        local[0].data(), local[0].size())) {
            return all;
        }
    }
    return attach::read(from.target(), remote, local, attach::engines());
}

Transfer write(const Process& to, std::span<const ConstSegment> local,
               std::span<const RemoteSegment> remote) noexcept {
    if (to.empty()) return no_process;
    if (remote.size() == 1 && local.size() == 1 && remote[0].bytes == local[0].size() &&
        attach::copy_mapped_at_once(to.target(), attach::Direction::write, remote[0].address,
                                    local[0].data(), local[0].size())) {
        return {remote[0].bytes, {}};
    }
    return attach::write(to.target(), local, remote, attach::engines());
}

}  // namespace onecopy
