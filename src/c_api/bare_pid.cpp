// onecopy_readv and onecopy_writev: a bare pid, the system calls' arguments and errnos.
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "c_api/flags.hpp"
#include "c_api/lists.hpp"
#include "onecopy/onecopy.h"
#include "onecopy/reduce.hpp"
#include "os/no_cancel.hpp"
#include "os/touch.hpp"

namespace onecopy::c_api {
namespace {

enum class Way { read, write };

ssize_t fail(int error) noexcept {
    errno = error;
    return -1;
}

/// Both lists as the kernel checks them, in its order, by the kernel itself: with an impossible pid
/// it gets as far as ESRCH exactly when everything before was in order. 1 if so, else its answer.
ssize_t check_lists(const iovec* local, unsigned long locals, const iovec* remote,
                    unsigned long remotes) noexcept {
    const ssize_t answer = ::process_vm_readv(-1, local, locals, remote, remotes, 0);
    return answer < 0 && errno == ESRCH ? 1 : answer;
}

/// The process that `pid` belongs to: the system calls take a thread's number too.
pid_t process_of(pid_t pid) noexcept {
    char path[32];
    std::snprintf(path, sizeof path, "/proc/%d/status", pid);
    if (FILE* status = std::fopen(path, "re")) {
        char line[256];
        while (std::fgets(line, sizeof line, status) != nullptr) {
            if (std::strncmp(line, "Tgid:", 5) == 0) pid = std::atoi(line + 5);
        }
        std::fclose(status);
    }
    return pid;
}

bool all_whole(const iovec* list, unsigned long count, std::size_t element_bytes) noexcept {
    return std::all_of(list, list + count,
                       [&](const iovec& v) { return v.iov_len % element_bytes == 0; });
}

/// What a call moves at the most, as the kernel cuts its own.
constexpr std::size_t most_bytes = 0x7ffff000;

/// Goes through a list, piece by piece.
template <class Segments>
class Rest {
public:
    explicit Rest(std::span<const Segments> list) noexcept : list_(list) {}

    /// The next runs, up to `bytes` in all and as many as `runs` has room for; how many there are.
    std::size_t look(std::size_t bytes, std::span<Segments> runs) const noexcept {
        std::size_t count = 0;
        std::size_t skip = done_;
        for (std::size_t i = at_; i < list_.size() && bytes > 0 && count < runs.size(); ++i) {
            const Segments run = part(list_[i], skip, bytes);
            skip = 0;
            if (size(run) == 0) continue;
            bytes -= size(run);
            runs[count++] = run;
        }
        return count;
    }

    void skip(std::size_t bytes) noexcept {
        while (at_ < list_.size()) {
            const std::size_t left = size(list_[at_]) - done_;
            if (bytes < left) break;
            bytes -= left;
            done_ = 0;
            ++at_;
        }
        done_ += bytes;
    }

    static std::size_t size(const RemoteSegment& run) noexcept {
        return static_cast<std::size_t>(run.bytes);
    }
    static std::size_t size(const ConstSegment& run) noexcept { return run.size(); }

private:
    static RemoteSegment part(const RemoteSegment& run, std::size_t skip,
                              std::size_t most) noexcept {
        return {run.address + skip, std::min(size(run) - skip, most)};
    }
    template <class Byte>
    static std::span<Byte> part(std::span<Byte> run, std::size_t skip, std::size_t most) noexcept {
        return run.subspan(skip, std::min(run.size() - skip, most));
    }

    std::span<const Segments> list_;
    std::size_t at_ = 0, done_ = 0;
};

/// Cuts a list of runs where this process cannot touch it, between elements. True if it was cut.
template <class Span>
bool cut_untouchable(std::span<Span> list, Way way, std::size_t element_bytes) noexcept {
    bool cut = false;
    for (Span& run : list) {
        const std::size_t good =
            cut ? 0
                : os::touchable(run.data(), run.size(),
                                way == Way::read ? os::Touch::write : os::Touch::read);
        cut = cut || good < run.size();
        run = run.first(good - good % element_bytes);
    }
    return cut;
}

/// Moves piece by piece, so that no more of our memory is touched than bytes are moved: a page that
/// is touched for writing is there from then on.
template <class Local, class Reduce>
Transfer in_pieces(Way way, std::span<const Local> local, std::span<const RemoteSegment> remote,
                   std::size_t element_bytes, Reduce&& apply) noexcept {
    const std::size_t piece_bytes = (std::size_t{1} << 20) / element_bytes * element_bytes;
    Rest<Local> near(local);
    Rest<RemoteSegment> far(remote);
    std::array<Local, 16> near_runs;
    std::array<RemoteSegment, 64> far_runs;
    Transfer result;
    std::size_t left = most_bytes - most_bytes % element_bytes;
    while (left > 0) {
        const std::span there(far_runs.data(), far.look(std::min(piece_bytes, left), far_runs));
        std::size_t bytes = 0;
        for (const RemoteSegment& run : there) bytes += Rest<RemoteSegment>::size(run);
        const std::span here(near_runs.data(), near.look(bytes, near_runs));
        if (here.empty() || there.empty()) return result;
        const bool cut = cut_untouchable(here, way, element_bytes);
        const Transfer moved = apply(here, there);
        result.bytes += moved.bytes;
        if (!moved.error && cut) result.error.assign(EFAULT, std::system_category());
        if (moved.error) result.error = moved.error;
        if (result.error || moved.bytes == 0) return result;
        left -= static_cast<std::size_t>(moved.bytes);
        near.skip(static_cast<std::size_t>(moved.bytes));
        far.skip(static_cast<std::size_t>(moved.bytes));
    }
    return result;
}

/// A call with an operation.
template <class Convert, class Reduce>
ssize_t fused(Way way, pid_t pid, const iovec* local, unsigned long locals, const iovec* remote,
              unsigned long remotes, const Flags& flags, Convert&& to_local,
              Reduce&& apply) noexcept {
    const os::NoCancel no_cancel;
    if (const ssize_t answer = check_lists(local, locals, remote, remotes); answer != 1) {
        return answer;
    }
    const std::size_t element = size_of(flags.type);
    if (!all_whole(local, locals, element) || !all_whole(remote, remotes, element)) {
        return fail(EINVAL);
    }
    using LocalSegment = std::decay_t<decltype(to_local(*local))>;
    const List<LocalSegment> near(local, locals, to_local);
    const List<RemoteSegment> far(remote, remotes, [](const iovec& v) { return to_remote(v); });
    if (!near.ok() || !far.ok()) return fail(ENOMEM);
    std::error_code error;
    Process process(pid, {}, error);
    if (error == std::errc::no_such_process && pid > 0)
        process = Process(process_of(pid), {}, error);
    if (!error) error = process.access();
    if (error) return fail(error.value());
    const Transfer moved =
        in_pieces<LocalSegment>(way, near.get(), far.get(), element,
                                [&](auto here, auto there) { return apply(process, here, there); });
    if (moved.bytes > 0 || !moved.error) return static_cast<ssize_t>(moved.bytes);
    return fail(moved.error.value());
}

}  // namespace
}  // namespace onecopy::c_api

using namespace onecopy;
using namespace onecopy::c_api;

extern "C" ssize_t onecopy_readv(pid_t pid, const iovec* local, unsigned long local_count,
                                 const iovec* remote, unsigned long remote_count,
                                 unsigned long flags) {
    const Flags parsed = parse_flags(flags);
    if (!parsed.valid) return fail(EINVAL);
    if (parsed.copy) return ::process_vm_readv(pid, local, local_count, remote, remote_count, 0);
    return fused(Way::read, pid, local, local_count, remote, remote_count, parsed, to_segment,
                 [&](const Process& from, std::span<const Segment> near,
                     std::span<const RemoteSegment> far) {
                     return reduce(
                         from, near, far, parsed.op, parsed.type,
                         parsed.source_left ? Order::remote_op_local : Order::local_op_remote);
                 });
}

extern "C" ssize_t onecopy_writev(pid_t pid, const iovec* local, unsigned long local_count,
                                  const iovec* remote, unsigned long remote_count,
                                  unsigned long flags) {
    const Flags parsed = parse_flags(flags);
    if (!parsed.valid) return fail(EINVAL);
    if (parsed.copy) return ::process_vm_writev(pid, local, local_count, remote, remote_count, 0);
    return fused(Way::write, pid, local, local_count, remote, remote_count, parsed,
                 to_const_segment,
                 [&](const Process& to, std::span<const ConstSegment> near,
                     std::span<const RemoteSegment> far) {
                     return reduce_into(
                         to, near, far, parsed.op, parsed.type,
                         parsed.source_left ? Order::local_op_remote : Order::remote_op_local);
                 });
}
