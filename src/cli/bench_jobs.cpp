#include "cli/bench_jobs.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <new>

#include "cli/bench_timing.hpp"
#include "cli/errors.hpp"
#include "cli/inherited.hpp"

extern char** environ;

namespace onecopy::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* shared_folder = "/dev/shm";
/// Where jobs leave files whose names begin with the yard's: the second is iceoryx's.
constexpr std::array<const char*, 2> swept_folders = {shared_folder, "/tmp"};
constexpr int tick_ms = 100;  // between looks at whether a job's processes are still there

void replace_all(std::string& text, std::string_view what, const std::string& by) {
    for (std::size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += by.size()) {
        text.replace(at, what.size(), by);
    }
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    pointers.push_back(nullptr);
    return pointers;
}

std::array<os::Fd, 2> make_pipe() {
    std::array<int, 2> ends{-1, -1};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        throw JobLost(fmt::format("no pipe: {}", std::strerror(errno)));
    }
    return {os::Fd(ends[0]), os::Fd(ends[1])};
}

/// Removes the folder and its namesakes, a few times: who is being killed may just have made more.
void sweep(const std::string& folder) noexcept {
    const std::string name = fs::path(folder).filename();
    for (int round = 0; round < 5; ++round) {
        bool found = false;
        for (const char* place : swept_folders) {
            std::error_code ignored;
            for (const fs::directory_entry& entry : fs::directory_iterator(place, ignored)) {
                if (!entry.path().filename().string().starts_with(name)) continue;
                found = true;
                fs::remove_all(entry.path(), ignored);
            }
        }
        if (!found && round > 0) return;
        ::poll(nullptr, 0, found ? 50 : 10);
    }
}

/// Waits for the end of whoever holds the other end of `lifeline`, and cleans up.
[[noreturn]] void be_the_janitor(int lifeline, const std::string& folder) {
    ::setsid();  // a terminal's Ctrl-C is for the others
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) ::signal(number, SIG_IGN);
    ::dup2(lifeline, 0);
    ::syscall(SYS_close_range, 1U, ~0U, 0U);  // or who reads our output would wait for us
    char none = 0;
    while (::read(0, &none, 1) < 0 && errno == EINTR) {
    }
    sweep(folder);
    ::_exit(0);
}

/// A line without what colours it on a terminal, cut to what a note can hold; empty if there are no
/// letters in it: a ruler.
std::string plain(std::string_view line) {
    constexpr std::size_t most = 300;
    std::string words;
    bool letters = false;
    for (std::size_t i = 0; i < line.size() && words.size() < most; ++i) {
        if (line[i] == '\x1b') {
            while (i < line.size() && std::isalpha(static_cast<unsigned char>(line[i])) == 0) ++i;
        } else if (std::isprint(static_cast<unsigned char>(line[i])) != 0) {
            words += line[i];
            letters = letters || std::isalpha(static_cast<unsigned char>(line[i])) != 0;
        }
    }
    return letters ? words : std::string();
}

bool has(std::string text, std::initializer_list<std::string_view> any) {
    std::transform(text.begin(), text.end(), text.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return std::any_of(any.begin(), any.end(),
                       [&](std::string_view word) { return text.find(word) != std::string::npos; });
}

/// No two jobs have the same: what one of them leaves in /dev/shm is not found by the next.
std::string next_folder(const JobYard& yard, const std::string& way) {
    static int count = 0;
    return fmt::format("{}/{}-{}", yard.folder(), ++count, way);
}

void reap(pid_t pid) noexcept {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
}

}  // namespace

JobYard::JobYard(std::string_view asked) {
    folder_ = std::string(shared_folder) + "/onecopy-bench-XXXXXX";
    if (::mkdtemp(folder_.data()) == nullptr) {
        throw Failure(fmt::format("{}: make a folder in {}: {}; mount a tmpfs there", asked,
                                  shared_folder, std::strerror(errno)));
    }
    auto [read_end, write_end] = make_pipe();
    lifeline_ = std::move(write_end);
    janitor_ = ::fork();
    if (janitor_ == 0) be_the_janitor(read_end.get(), folder_);
    if (janitor_ > 0) return;
    const int error = errno;
    sweep(folder_);
    throw Failure(fmt::format("{}: no process: {}; try again with less running", asked,
                              std::strerror(error)));
}

JobYard::~JobYard() {
    lifeline_ = os::Fd();
    reap(janitor_);
}

pid_t start_process(const std::vector<std::string>& command,
                    std::span<const std::pair<std::string, std::string>> environment, int output,
                    int with_us) {
    std::vector<std::string> words = command;
    std::vector<std::string> variables;
    for (const auto& [name, value] : environment) {
        if (!value.empty()) variables.push_back(fmt::format("{}={}", name, value));
    }
    for (char** word = environ; *word != nullptr; ++word) {
        const std::string_view text(*word);
        const std::string_view name = text.substr(0, text.find('='));
        const bool ours = std::any_of(environment.begin(), environment.end(),
                                      [&](const auto& one) { return one.first == name; });
        if (!ours) variables.emplace_back(text);
    }
    // Made here: between fork and exec nothing may be allocated.
    const std::vector<char*> arguments = pointers_to(words);
    const std::vector<char*> settings = pointers_to(variables);
    const sigset_t to_default = ignored_by_us();
    const pid_t parent = ::getpid();
    auto [told, tell] = make_pipe();
    const pid_t pid = ::fork();
    if (pid < 0) throw JobLost(fmt::format("no process: {}", std::strerror(errno)));
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, with_us);
        if (::getppid() != parent) ::_exit(1);  // it died before it could be named
        for (int number = 1; number < NSIG; ++number) {
            if (sigismember(&to_default, number) == 1) ::signal(number, SIG_DFL);
        }
        const int nothing = ::open("/dev/null", O_RDONLY);
        ::dup2(nothing, STDIN_FILENO);
        ::dup2(output, STDOUT_FILENO);
        ::dup2(output, STDERR_FILENO);
        ::execvpe(arguments.front(), arguments.data(), settings.data());
        const int error = errno;
        if (::write(tell.get(), &error, sizeof error) < 0) ::_exit(2);
        ::_exit(1);
    }
    tell = os::Fd();
    int error = 0;
    ssize_t got = 0;
    while ((got = ::read(told.get(), &error, sizeof error)) < 0 && errno == EINTR) {
    }
    if (got == sizeof error) {
        reap(pid);
        throw JobLost(fmt::format("start {}: {}", command.front(), std::strerror(error)));
    }
    return pid;
}

Job::Job(const JobYard& yard, const JobPlan& plan, const JobSize& size)
    : way_(plan.way),
      folder_(next_folder(yard, plan.way)),
      memory_([] {
          const int fd = ::memfd_create("onecopy-bench-control", MFD_CLOEXEC);
          if (fd < 0 || ::ftruncate(fd, sizeof(JobControl)) != 0) {
              throw JobLost(fmt::format("no control block: {}", std::strerror(errno)));
          }
          return fd;
      }()),
      control_(memory_.get()),
      output_(::memfd_create("onecopy-bench-output", MFD_CLOEXEC)) {
    std::error_code error;
    fs::create_directory(folder_, error);
    ::fcntl(output_.get(), F_SETFL, O_APPEND);
    auto [read_end, write_end] = make_pipe();
    lifeline_read_ = std::move(read_end);
    lifeline_ = std::move(write_end);

    JobControl& control = *new (&*control_) JobControl;
    control.ranks = static_cast<std::uint32_t>(size.ranks);
    control.crowded = static_cast<std::size_t>(size.ranks) > size.cpus.size() ? 1 : 0;
    control.area_bytes = size.area_bytes;
    control.largest = size.largest;
    control.lifeline = lifeline_read_.get();
    control.cpu_count = static_cast<std::uint32_t>(std::min(size.cpus.size(), max_job_ranks));
    std::copy_n(size.cpus.begin(), control.cpu_count, control.cpus.begin());
    control.folder.set(folder_);

    std::vector<std::string> command = plan.command;
    const std::string path = fmt::format("/proc/{}/fd/{}", ::getpid(), memory_.get());
    for (std::string& word : command) {
        replace_all(word, "{control}", path);
        replace_all(word, "{folder}", folder_);
    }
    std::vector<std::pair<std::string, std::string>> environment = plan.environment;
    for (auto& [name, value] : environment) replace_all(value, "{folder}", folder_);
    try {
        for (int i = 0; i < (plan.has_launcher ? 1 : size.ranks); ++i) {
            std::vector<std::string> with_rank = command;
            if (!plan.has_launcher) with_rank.push_back(std::to_string(i));
            pids_.push_back(start_process(with_rank, environment, output_.get(), SIGKILL));
        }
    } catch (...) {
        kill();
        throw;
    }
}

Job::~Job() {
    kill();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

void Job::wait_for_ranks(int guard_ms) { wait_for_answers(guard_ms, "did not come up"); }

void Job::run(const JobCommand& command, int guard_ms) {
    control_->command = command;
    control_->answered.store(0, std::memory_order_relaxed);
    control_->turn.fetch_add(1, std::memory_order_release);  // (A)
    futex_wake(control_->turn);
    wait_for_answers(guard_ms,
                     fmt::format("{} of {} bytes did not end", command.work.get(), command.bytes));
}

void Job::wait_for_answers(int guard_ms, const std::string& doing) {
    const std::int64_t deadline = now_ns() + std::int64_t{guard_ms} * 1'000'000;
    for (;;) {
        const std::uint32_t seen = control_->answered.load(std::memory_order_acquire);  // (B)
        if (seen == control_->ranks) return;
        check();
        if (now_ns() > deadline) {
            const std::string words = telling_words();
            throw JobLost(fmt::format("{} within {:g} s{}{}", doing, guard_ms / 1e3,
                                      words.empty() ? "" : ": ", words));
        }
        futex_wait(control_->answered, seen, std::min(tick_ms, guard_ms));
    }
}

void Job::check() {
    const auto hear = [this] {
        if (control_->failed.load(std::memory_order_acquire) != 2) return;
        throw JobLost(std::string(control_->failure.get()));
    };
    hear();
    for (pid_t& pid : pids_) {
        int status = 0;
        if (pid < 0 || ::waitpid(pid, &status, WNOHANG) != pid) continue;
        pid = -1;
        hear();  // a rank that gave up said so before it ended
        const std::string words = telling_words();
        throw JobLost(fmt::format("{}{}{}",
                                  WIFSIGNALED(status)
                                      ? fmt::format("ended by signal {}", WTERMSIG(status))
                                      : fmt::format("ended with status {}", WEXITSTATUS(status)),
                                  words.empty() ? "" : ": ", words));
    }
}

bool Job::all_ended() noexcept {
    for (pid_t& pid : pids_) {
        if (pid >= 0 && ::waitpid(pid, nullptr, WNOHANG) == pid) pid = -1;
    }
    return std::all_of(pids_.begin(), pids_.end(), [](pid_t pid) { return pid < 0; });
}

bool Job::end(int guard_ms) noexcept {
    control_->command = JobCommand{};
    control_->answered.store(0, std::memory_order_relaxed);
    control_->turn.fetch_add(1, std::memory_order_release);  // (A)
    futex_wake(control_->turn);
    const std::int64_t deadline = now_ns() + std::int64_t{guard_ms} * 1'000'000;
    bool ended = false;
    while (!(ended = all_ended()) && now_ns() < deadline) ::poll(nullptr, 0, 2);
    kill();
    return ended;
}

void Job::kill() noexcept {
    lifeline_ = os::Fd();  // the ranks, whoever started them
    for (pid_t& pid : pids_) {
        if (pid < 0) continue;
        ::kill(pid, SIGKILL);
        reap(pid);
        pid = -1;
    }
}

std::string Job::telling_words() const {
    std::array<char, 16'000> text{};
    const ssize_t got = ::pread(output_.get(), text.data(), text.size(), 0);
    std::string_view left(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    std::string first;
    while (!left.empty()) {
        const std::string_view line = left.substr(0, left.find('\n'));
        left.remove_prefix(std::min(left.size(), line.size() + 1));
        const std::string words = plain(line);
        if (has(words, {"error", "fatal", "fail", "unable", "cannot"})) return words;
        if (first.empty()) first = words;
    }
    return first;
}

}  // namespace onecopy::cli
