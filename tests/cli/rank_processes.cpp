#include "rank_processes.hpp"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "os/process_status.hpp"
#include "support/child.hpp"

namespace onecopy::test {
namespace {

char state_of(pid_t pid) {
    std::error_code error;
    const os::ProcessStatus status = os::read_process_status(pid, error);
    return error ? 'X' : status.state;
}

}  // namespace

ToolRun run_shell(int ranks, const std::string& script, const ToolSetup& setup) {
    return run_onecopy({"run", "-n", std::to_string(ranks), "--", "sh", "-c", script}, setup);
}

ToolSetup when_started(std::function<void(pid_t)> started) {
    ToolSetup setup;
    setup.started = std::move(started);
    return setup;
}

std::vector<std::string> as_lines(const std::string& text) {
    std::istringstream stream(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
}

pid_t pid_in(const std::string& path) {
    pid_t pid = -1;
    const bool came = eventually([&] {
        std::ifstream file(path);
        std::string line;
        if (!std::getline(file, line) || file.eof()) return false;  // not all of it is there
        pid = std::stoi(line);
        return true;
    });
    if (!came) throw std::runtime_error("no number in " + path);
    return pid;
}

bool gone(pid_t pid) {
    const char state = state_of(pid);
    return state == 'X' || state == 'Z';
}

bool stopped(pid_t pid) { return state_of(pid) == 'T'; }

std::vector<std::string> children_of(pid_t pid) {
    const std::string number = std::to_string(pid);
    std::istringstream words(file_text("/proc/" + number + "/task/" + number + "/children"));
    std::vector<std::string> numbers;
    for (std::string word; words >> word;) numbers.push_back(word);
    return numbers;
}

int processes_of(unsigned user) {
    int count = 0;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
        const std::string name = entry.path().filename();
        if (name.find_first_not_of("0123456789") != name.npos) continue;
        std::error_code gone_meanwhile;
        const os::ProcessStatus status = os::read_process_status(std::stoi(name), gone_meanwhile);
        if (!gone_meanwhile && status.uid.real == user && status.state != 'Z') ++count;
    }
    return count;
}

}  // namespace onecopy::test
