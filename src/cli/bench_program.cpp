#include "cli/bench_program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "cli/errors.hpp"
#include "cli/inherited.hpp"
#include "cli/preload.hpp"

extern char** environ;

namespace onecopy::cli {
namespace {

/// Our environment, with `preload` in front of what is preloaded already, and without the settings
/// of the heap: with ONECOPY_HEAP=0 both ways would be the plain one.
std::vector<std::string> environment_with(std::string_view asked, const std::string& preload) {
    constexpr std::string_view name = "LD_PRELOAD=";
    std::vector<std::string> words;
    for (char** word = environ; *word != nullptr; ++word) {
        const std::string_view text(*word);
        if (text.starts_with("ONECOPY_HEAP")) continue;
        if (preload.empty() || !text.starts_with(name)) words.emplace_back(text);
    }
    if (!preload.empty()) {
        words.push_back(std::string(name) + preload_of(asked, preload, std::getenv("LD_PRELOAD")));
    }
    return words;
}

std::vector<char*> pointers_to(const std::vector<std::string>& words) {
    std::vector<char*> pointers;
    for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
    pointers.push_back(nullptr);
    return pointers;
}

}  // namespace

std::string find_beside_tool(std::string_view name) {
    const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
    const std::filesystem::path prefix = self.parent_path().parent_path();
    for (const auto& candidate :
         {prefix / "bin" / name, prefix / "lib" / name,
          prefix / ONECOPY_INSTALL_LIBDIR / "onecopy" / name, prefix / "lib" / "onecopy" / name}) {
        if (::access(candidate.c_str(), R_OK) == 0) return candidate.string();
    }
    return {};
}

BenchProgram::BenchProgram(std::string asked, const std::vector<std::string>& command,
                           const std::string& preload)
    : asked_(std::move(asked)), name_(command.front()) {
    // A socket on its side of the input: writing to a program that has ended must not be a SIGPIPE.
    std::array<int, 2> input{};
    std::array<int, 2> output{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, input.data()) != 0) {
        fail(std::strerror(errno));
    }
    to_ = os::Fd(input[0]);
    const os::Fd its_input(input[1]);
    if (::pipe2(output.data(), O_CLOEXEC) != 0) fail(std::strerror(errno));
    from_ = os::Fd(output[0]);
    const os::Fd its_output(output[1]);
    const std::vector<std::string> words = environment_with(asked_, preload);
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_adddup2(&files, its_input.get(), STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&files, its_output.get(), STDOUT_FILENO);
    posix_spawnattr_t attributes;
    ::posix_spawnattr_init(&attributes);
    const sigset_t to_default = ignored_by_us();
    ::posix_spawnattr_setsigdefault(&attributes, &to_default);
    ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    const int error = ::posix_spawn(&pid_, name_.c_str(), &files, &attributes,
                                    pointers_to(command).data(), pointers_to(words).data());
    ::posix_spawnattr_destroy(&attributes);
    ::posix_spawn_file_actions_destroy(&files);
    if (error != 0) {
        pid_ = -1;
        fail(std::strerror(error));
    }
}

BenchProgram::~BenchProgram() {
    to_ = os::Fd();
    from_ = os::Fd();
    if (pid_ < 0) return;
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
}

std::string BenchProgram::ask(std::string_view line) {
    const std::string text = std::string(line) + '\n';
    for (std::size_t sent = 0; sent < text.size();) {
        const ssize_t count =
            ::send(to_.get(), text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) fail("it ended early; its own lines above say why");
        sent += static_cast<std::size_t>(count);
    }
    for (;;) {
        if (const std::size_t end = unread_.find('\n'); end != std::string::npos) {
            std::string answer = unread_.substr(0, end);
            unread_.erase(0, end + 1);
            return answer;
        }
        std::array<char, 256> piece{};
        const ssize_t got = ::read(from_.get(), piece.data(), piece.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) fail("it ended early; its own lines above say why");
        unread_.append(piece.data(), static_cast<std::size_t>(got));
    }
}

void BenchProgram::fail(std::string_view what) const {
    throw Failure(fmt::format("{}: run {}: {}", asked_, name_, what));
}

}  // namespace onecopy::cli
