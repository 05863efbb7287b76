#include "ranks.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "node/job_memory.hpp"
#include "support/child.hpp"

namespace onecopy::test {
namespace {

constexpr int all_right_status = 0, failed_status = 1;

[[noreturn]] void be_a_rank(int rank, const std::function<void()>& body) {
    ::setenv("ONECOPY_RANK", std::to_string(rank).c_str(), 1);
    bool good = false;
    try {
        body();
        good = !testing::Test::HasFailure();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "rank %d: %s\n", rank, error.what());
    }
    std::fflush(nullptr);
    ::_exit(good ? all_right_status : failed_status);
}

}  // namespace

void die() {
    ::raise(SIGKILL);
    ::_exit(failed_status);
}

bool RankEnds::all_right(const std::vector<int>& ranks) const {
    bool good = true;
    for (int rank = 0; rank < static_cast<int>(statuses.size()); ++rank) {
        const bool asked =
            ranks.empty() || std::find(ranks.begin(), ranks.end(), rank) != ranks.end();
        if (!asked) continue;
        const int status = statuses[static_cast<std::size_t>(rank)];
        if (status == all_right_status) continue;
        std::fprintf(stderr, "rank %d ended with status %#x%s\n", rank,
                     static_cast<unsigned>(status), status == -1 ? ": it had to be killed" : "");
        good = false;
    }
    return good;
}

Ranks::Ranks(int count, const std::function<void(Node&)>& body, const NodeOptions& options)
    : Ranks(count, std::function<void()>([&] {
                Node node(options);
                body(node);
            })) {}

Ranks::Ranks(int count, const std::function<void()>& body) {
    const node::JobMemory memory = node::JobMemory::create(count);
    ::setenv("ONECOPY_JOB", ("fd:" + std::to_string(memory.fd())).c_str(), 1);
    for (int rank = 0; rank < count; ++rank) {
        const pid_t parent = ::getpid();
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (::getppid() != parent) ::_exit(failed_status);
            be_a_rank(rank, body);
        }
        pids_.push_back(pid);
    }
    ::unsetenv("ONECOPY_JOB");
}

Ranks::~Ranks() {
    if (waited_) return;
    for (const pid_t pid : pids_) ::kill(pid, SIGKILL);
    for (const pid_t pid : pids_) ::waitpid(pid, nullptr, 0);
}

RankEnds Ranks::wait() {
    using Clock = std::chrono::steady_clock;
    const auto end = Clock::now() + std::chrono::milliseconds(deadlock_guard_ms);
    RankEnds ends;
    for (const pid_t pid : pids_) {
        int status = 0;
        while (::waitpid(pid, &status, WNOHANG) == 0) {
            if (Clock::now() > end) {
                ::kill(pid, SIGKILL);
                ::waitpid(pid, &status, 0);
                status = -1;
                break;
            }
            ::usleep(200);
        }
        ends.statuses.push_back(status);
    }
    waited_ = true;
    return ends;
}

}  // namespace onecopy::test
