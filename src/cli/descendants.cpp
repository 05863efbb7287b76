#include "cli/descendants.hpp"

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "os/process_status.hpp"

namespace onecopy::cli {
namespace {

/// The numbers of a text like "12 13 14 ".
std::vector<pid_t> numbers_in(std::string_view text) {
    std::vector<pid_t> numbers;
    const char* at = text.data();
    const char* const end = text.data() + text.size();
    while (at != end) {
        pid_t number = 0;
        const auto [after, error] = std::from_chars(at, end, number);
        if (error == std::errc{}) numbers.push_back(number);
        at = error == std::errc{} ? after : at + 1;
    }
    return numbers;
}

/// For kernels without the list (CONFIG_PROC_CHILDREN).
std::vector<pid_t> children_among_all() {
    std::vector<pid_t> found;
    std::error_code error;
    for (std::filesystem::directory_iterator entry("/proc", error), end; !error && entry != end;
         entry.increment(error)) {
        const std::string name = entry->path().filename();
        if (std::isdigit(static_cast<unsigned char>(name.front())) == 0) continue;
        const std::vector<pid_t> pid = numbers_in(name);
        std::error_code gone;
        if (os::read_process_status(pid.front(), gone).parent == ::getpid() && !gone) {
            found.push_back(pid.front());
        }
    }
    return found;
}

}  // namespace

std::vector<pid_t> children() {
    std::error_code error;
    const std::string text =
        os::read_small_file(fmt::format("/proc/self/task/{}/children", ::getpid()), error);
    return error ? children_among_all() : numbers_in(text);
}

void end_descendants(const std::vector<pid_t>& strangers) {
    // Twice none: one that ended meanwhile could have hidden another.
    for (int none = 0; none < 2;) {
        ++none;
        for (const pid_t pid : children()) {
            if (std::find(strangers.begin(), strangers.end(), pid) != strangers.end()) continue;
            none = 0;
            ::kill(pid, SIGKILL);
            while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
            }
        }
    }
}

}  // namespace onecopy::cli
