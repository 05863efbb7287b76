// Reading and writing through a descriptor on /proc/PID/mem.
//
// Two copies (the kernel bounces every page), but bound to one memory image: a recycled pid or an
// exec cannot lead it astray. Three of the kernel's habits are not let through to our callers:
//  - it *forces* writes through page protections, as a debugger wants: we look at the maps first
//    and refuse what the target itself could not write (best effort: the maps may change);
//  - after a bad *local* page it counts whole bounced pages only: we go on to the exact byte;
//  - the right is checked when it is opened, never again: a refusal elsewhere demands a new open.
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

#include "attach/engine.hpp"
#include "os/maps.hpp"

namespace onecopy::attach {
namespace {

class ProcMemEngine final : public Engine {
public:
    [[nodiscard]] std::string_view name() const noexcept override { return "proc_mem"; }

    /// One side scattered: a call has many local runs and one position.
    [[nodiscard]] plan::Limits limits() const noexcept override {
        return {batch_runs, 1, batch_bytes};
    }

    [[nodiscard]] int admit(const Target& target, Direction direction,
                            int /*refusal*/) const noexcept override {
        // An image that somebody reads in outlives its program: what would be written there now is
        // lost, and must not count.
        if (direction == Direction::write && target.image() == Target::Image::gone) return ESRCH;
        // The kept descriptor outlives a right that was taken back, so ask the kernel first. What
        // it refuses, or cannot be asked about, a fresh open of this very file may still permit.
        int right = target.is_self() ? 0 : target.probe();
        const bool settled = right == 0 ? target.mem() >= 0 : right == ESRCH;
        if (!settled) right = target.mem_permitted_now(direction == Direction::write);
        return right == ENOENT ? EACCES : right;  // another pid namespace's /proc is mounted
    }

    [[nodiscard]] Step move(const Target& target, Direction direction,
                            const plan::Batch& batch) const noexcept override {
        const std::uint64_t address = batch.remote[0].address;
        if (address > std::numeric_limits<std::int64_t>::max()) return {0, EFAULT};
        std::uint64_t bytes = batch.bytes;
        if (direction == Direction::write) {
            const int maps = target.maps();
            if (maps < 0) return {0, errno};
            bytes = writable(maps, address, bytes);
            if (bytes == 0) return {0, target.image() == Target::Image::gone ? ESRCH : EFAULT};
        }
        std::array<iovec, batch_runs> local;
        const int runs = clip(batch, bytes, local.data());
        const Step step = call(target.mem(), direction, local.data(), runs, address);
        if (step.error != EFAULT && (step.error != 0 || step.bytes == bytes)) return step;
        return finish(target.mem(), direction, local.data(), runs, address, step.bytes);
    }

private:
    /// One system call, with its errors in our terms.
    static Step call(int mem, Direction direction, const iovec* local, int runs,
                     std::uint64_t address) noexcept {
        const auto at = static_cast<off_t>(address);
        ssize_t moved = 0;
        do {
            moved = direction == Direction::read ? ::preadv(mem, local, runs, at)
                                                 : ::pwritev(mem, local, runs, at);
        } while (moved < 0 && errno == EINTR);
        if (moved > 0) return {static_cast<std::uint64_t>(moved), 0};
        if (moved == 0) return {0, ESRCH};  // the memory image is gone
        if (errno == EIO || errno == EINVAL) return {0, EFAULT};
        if (errno == EBADF) return {0, EPERM};  // /proc is mounted read-only: so is the descriptor
        return {0, errno};
    }

    /// After a short count: goes on in steps that end at local page borders. Each step then has one
    /// local page, which is good or bad as a whole, so the count becomes exact.
    static Step finish(int mem, Direction direction, const iovec* local, int runs,
                       std::uint64_t address, std::uint64_t done) noexcept {
        std::uint64_t before = 0;  // bytes of the runs in front of this one
        for (int i = 0; i < runs; ++i) {
            const std::uint64_t end = before + local[i].iov_len;
            while (done < end) {
                char* const start = static_cast<char*>(local[i].iov_base) + (done - before);
                const std::uint64_t border =
                    smallest_page - (reinterpret_cast<std::uintptr_t>(start) & (smallest_page - 1));
                const std::uint64_t bytes = std::min(end - done, border);
                const iovec piece{start, static_cast<std::size_t>(bytes)};
                const Step step = call(mem, direction, &piece, 1, address + done);
                done += step.bytes;
                if (step.error != 0) return {done, done > 0 ? 0 : step.error};
                if (step.bytes < bytes) return {done, 0};
            }
            before = end;
        }
        return {done, 0};
    }

    /// The first `bytes` of the local runs.
    static int clip(const plan::Batch& batch, std::uint64_t bytes, iovec* local) noexcept {
        int runs = 0;
        for (std::size_t i = 0; i < batch.local_runs && bytes > 0; ++i) {
            const std::uint64_t take = std::min(batch.local[i].bytes, bytes);
            local[runs++] = {
                reinterpret_cast<void*>(static_cast<std::uintptr_t>(batch.local[i].address)),
                static_cast<std::size_t>(take)};
            bytes -= take;
        }
        return runs;
    }

    /// How many bytes from `address` on the target may write by its own page protections.
    static std::uint64_t writable(int maps, std::uint64_t address, std::uint64_t bytes) noexcept {
        std::uint64_t good = 0;
        os::Map map;
        while (good < bytes && os::find_map(maps, address + good, map) && map.writable) {
            good = std::min(map.end - address, bytes);
        }
        return good;
    }
};

}  // namespace

const Engine& proc_mem_engine() noexcept {
    static const ProcMemEngine engine;
    return engine;
}

}  // namespace onecopy::attach
