#include "cli/bench_ranks.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "cli/bench_timing.hpp"
#include "cli/errors.hpp"
#include "os/fd.hpp"

namespace onecopy::cli {
namespace {

/// The processes and, of each, a pipe that it alone holds open: it speaks of a failure, and its end
/// is heard as the pipe's end (a wait for any child could take one that is not ours).
class Family {
public:
    explicit Family(std::string_view asked) : asked_(asked) {}
    Family(const Family&) = delete;
    Family& operator=(const Family&) = delete;
    ~Family() {
        for (const pid_t pid : pids_) ::kill(pid, SIGKILL);
        for (const pid_t pid : pids_) {
            while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
            }
        }
    }

    void start(int rank, std::span<const int> cpus, const std::function<void(int)>& body) {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("no pipe", errno);
        os::Fd hear(ends[0]);
        os::Fd speak(ends[1]);
        const pid_t launcher = ::getpid();
        const pid_t pid = ::fork();
        if (pid < 0) fail("no process", errno);
        if (pid == 0) {
            voices_.clear();
            live(launcher, rank, cpus, body, speak.get());
        }
        pids_.push_back(pid);
        voices_.push_back(std::move(hear));
    }

    /// Until all have ended, or one has failed.
    void watch() {
        std::vector<pollfd> polls;
        for (const os::Fd& voice : voices_) polls.push_back({voice.get(), POLLIN, 0});
        std::vector<std::string> words(polls.size());
        for (std::size_t left = polls.size(); left > 0;) {
            if (::poll(polls.data(), polls.size(), -1) < 0) continue;
            for (std::size_t rank = 0; rank < polls.size(); ++rank) {
                if (polls[rank].revents == 0) continue;
                std::array<char, 512> buffer;
                const ssize_t got = ::read(polls[rank].fd, buffer.data(), buffer.size());
                if (got > 0) {
                    words[rank].append(buffer.data(), static_cast<std::size_t>(got));
                    continue;
                }
                polls[rank].fd = -1;
                --left;
                check(rank, words[rank]);
            }
        }
    }

private:
    [[noreturn]] void fail(std::string_view what, int error) const {
        throw Failure(fmt::format("{}: {}: {}; try again with less running", asked_, what,
                                  std::strerror(error)));
    }

    [[noreturn]] static void live(pid_t launcher, int rank, std::span<const int> cpus,
                                  const std::function<void(int)>& body, int speak) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (::getppid() != launcher) ::_exit(1);  // it died before it could be named
        // Yama accepts the launcher's descendants, which are all ranks. Elsewhere it is an EINVAL.
        ::prctl(PR_SET_PTRACER, launcher, 0, 0, 0);
        if (!cpus.empty()) bind_to_cpu(cpus[static_cast<std::size_t>(rank) % cpus.size()]);
        try {
            body(rank);
            ::_exit(0);
        } catch (const std::exception& error) {
            const std::string_view what = error.what();
            if (::write(speak, what.data(), what.size()) < 0) ::_exit(2);
        }
        ::_exit(1);
    }

    /// Leaves the process unreaped: its number must not be given away while others run.
    void check(std::size_t rank, const std::string& words) const {
        siginfo_t info{};
        while (::waitid(P_PID, static_cast<id_t>(pids_[rank]), &info, WEXITED | WNOWAIT) != 0 &&
               errno == EINTR) {
        }
        if (info.si_code == CLD_EXITED && info.si_status == 0) return;
        if (!words.empty()) throw Failure(fmt::format("{}: {}", asked_, words));
        if (info.si_code == CLD_EXITED) {
            throw Failure(fmt::format("{}: process {} ended with status {}; run it again", asked_,
                                      rank, info.si_status));
        }
        throw Failure(
            fmt::format("{}: process {} was killed by signal {} ({}); if memory is short, "
                        "ask for smaller --sizes",
                        asked_, rank, info.si_status, ::strsignal(info.si_status)));
    }

    std::string asked_;
    std::vector<pid_t> pids_;
    std::vector<os::Fd> voices_;
};

}  // namespace

void run_ranks(std::string_view asked, int ranks, std::span<const int> cpus,
               const std::function<void(int)>& body) {
    std::fflush(nullptr);  // or a rank's exit may print what we had buffered, once more
    Family family(asked);
    for (int rank = 0; rank < ranks; ++rank) family.start(rank, cpus, body);
    family.watch();
}

}  // namespace onecopy::cli
