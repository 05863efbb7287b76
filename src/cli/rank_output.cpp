#include "cli/rank_output.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <optional>
#include <utility>

#include "cli/line_merger.hpp"
#include "cli/rank_trouble.hpp"

namespace onecopy::cli {
namespace {

/// What stays free for everything else that the launcher opens.
constexpr int spare_descriptors = 32;
/// After so long a silence within a line somebody is expected to type.
constexpr int prompt_ms = 100;

bool can_be_written(int fd) noexcept {
    const int flags = ::fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_PATH) == 0 && (flags & O_ACCMODE) != O_RDONLY;
}

bool are_the_same_file(int one, int other) noexcept {
    struct stat a {};
    struct stat b {};
    return ::fstat(one, &a) == 0 && ::fstat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/// All of it; 0 or errno. Whoever shares the descriptor may have made it non-blocking.
int write_all(int fd, std::string_view text) noexcept {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written >= 0) {
            text.remove_prefix(static_cast<std::size_t>(written));
        } else if (errno == EAGAIN) {
            pollfd waiting{fd, POLLOUT, 0};
            ::poll(&waiting, 1, -1);
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

/// Where a target's bytes go, as long as it takes them.
struct Target {
    int fd;
    LineMerger lines;
    bool closed = false;
    std::string out = {};
};

class Passer {
public:
    /// `asks`: somebody at a terminal is to see what rank 0 asks for.
    Passer(std::vector<OutputSource> sources, int ranks, bool label, bool asks)
        : sources_(std::move(sources)),
          targets_{Target{STDOUT_FILENO, LineMerger(ranks, label), false, {}},
                   Target{STDERR_FILENO, LineMerger(ranks, label), false, {}}},
          epoll_(::epoll_create1(EPOLL_CLOEXEC)),
          asks_(asks) {}

    /// Until the last source has ended; 0 or errno.
    int run() {
        if (!epoll_) return errno;
        for (std::size_t i = 0; i < sources_.size(); ++i) {
            epoll_event event{EPOLLIN, {.u64 = i}};
            if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, sources_[i].pipe.get(), &event) != 0) {
                return errno;
            }
        }
        std::array<epoll_event, 64> events;
        for (std::size_t open = sources_.size(); open > 0;) {
            const bool unfinished =
                asks_ && (targets_[0].lines.holds(0) || targets_[1].lines.holds(0));
            const int count = ::epoll_wait(epoll_.get(), events.data(), events.size(),
                                           unfinished ? prompt_ms : -1);
            if (count == 0) {
                for (Target& target : targets_) target.lines.show(0, target.out);
            }
            for (int i = 0; i < count; ++i) {
                if (!read_from(sources_[static_cast<std::size_t>(events[i].data.u64)])) --open;
            }
            if (const int error = write_out()) return error;
        }
        return 0;
    }

private:
    /// One piece of it; false at its end.
    bool read_from(OutputSource& source) {
        Target& target = targets_[source.target == STDOUT_FILENO ? 0 : 1];
        const ssize_t got = ::read(source.pipe.get(), piece_.data(), piece_.size());
        if (got < 0 && errno == EINTR) return true;
        if (got > 0) {
            target.lines.take(source.rank, {piece_.data(), static_cast<std::size_t>(got)},
                              target.out);
            return true;
        }
        target.lines.show(source.rank, target.out);
        // By name: closing takes it out only once nobody else has the pipe open, as the keeper, of
        // which this is a fork, may have for a moment yet.
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, source.pipe.get(), nullptr);
        source.pipe = os::Fd();
        return false;
    }

    int write_out() {
        for (Target& target : targets_) {
            const int error = target.closed ? 0 : write_all(target.fd, target.out);
            target.out.clear();
            if (error == 0) continue;
            // That nobody can read the errors there must not change what the job does; a reader
            // that has gone away ends it, as it would a single program.
            if (target.fd == STDOUT_FILENO || error == EPIPE) return error;
            target.closed = true;
        }
        return 0;
    }

    std::vector<OutputSource> sources_;
    std::array<Target, 2> targets_;
    std::array<char, LineMerger::longest_line> piece_;
    os::Fd epoll_;
    bool asks_;
};

}  // namespace

RankOutput::RankOutput(int ranks, bool label, const rlimit& limit)
    : ranks_(ranks),
      label_(label),
      highest_(static_cast<int>(std::min<rlim_t>(limit.rlim_cur, 1U << 30)) - spare_descriptors),
      output_open_(can_be_written(STDOUT_FILENO)),
      error_open_(can_be_written(STDERR_FILENO)),
      asks_(ranks > 1 && ::isatty(STDIN_FILENO) == 1),
      same_(output_open_ && error_open_ && are_the_same_file(STDOUT_FILENO, STDERR_FILENO)) {}

os::Fd RankOutput::open_one(int target) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        direct_error_ = errno;
        return os::Fd();
    }
    os::Fd ours(ends[0]);
    os::Fd theirs(ends[1]);
    if (std::max(ends[0], ends[1]) >= highest_) {
        direct_error_ = EMFILE;
        return os::Fd();
    }
    sources_.push_back({std::move(ours), next_, target});
    return theirs;
}

RankOutput::Ends RankOutput::open_next() {
    Ends ends;
    if (first_direct_ < 0 && output_open_) ends.output = open_one(STDOUT_FILENO);
    ends.one = same_ && ends.output;
    if (first_direct_ < 0 && direct_error_ == 0 && error_open_ && !same_) {
        ends.error = open_one(STDERR_FILENO);
    }
    if (first_direct_ < 0 && direct_error_ != 0) {
        // Both or none: a rank's lines shall not come by two ways.
        while (!sources_.empty() && sources_.back().rank == next_) sources_.pop_back();
        ends = Ends();
        first_direct_ = next_;
    }
    ++next_;
    return ends;
}

pid_t RankOutput::start(int troubles) {
    if (sources_.empty()) return 0;
    const pid_t keeper = ::getpid();
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != keeper) ::_exit(0);
        ::prctl(PR_SET_NAME, "onecopy-output");
        int error = ENOMEM;
        std::optional<Passer> passer;
        try {
            passer.emplace(std::move(sources_), ranks_, label_, asks_);
            error = passer->run();
        } catch (const std::exception&) {
            // The only thing here that throws is memory that cannot be had.
        }
        const Trouble trouble{0, Trouble::Step::output, error};
        if (error == 0 || ::write(troubles, &trouble, sizeof trouble) != sizeof trouble) {
            ::_exit(error);
        }
        for (;;) ::pause();
    }
    sources_.clear();
    return pid;
}

}  // namespace onecopy::cli
