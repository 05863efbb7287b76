#include "mpi/ancestry.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace onecopy::mpi {

namespace {

/// The parent's pid; 0 if it cannot be told. Source: proc(5), /proc/PID/stat.
int parent_of(int pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string line;
    if (!std::getline(file, line)) return 0;
    // The command's name may hold anything, parentheses too; what follows the last one is plain.
    const std::size_t name_end = line.rfind(')');
    if (name_end == std::string::npos) return 0;
    char state = 0;
    int parent = 0;
    return std::sscanf(line.c_str() + name_end + 1, " %c %d", &state, &parent) == 2 ? parent : 0;
}

std::vector<int> line_of(int pid) {
    std::vector<int> line;
    // The bound is against a pid that is recycled into a circle while we climb.
    for (int at = pid; at > 1 && line.size() < 1000; at = parent_of(at)) line.push_back(at);
    return line;
}

}  // namespace

int common_ancestor(std::span<const int> pids) {
    if (pids.empty()) return 0;
    std::vector<int> common = line_of(pids.front());
    for (const int pid : pids.subspan(1)) {
        const std::vector<int> other = line_of(pid);
        const auto shared = [&](int ancestor) {
            return std::find(other.begin(), other.end(), ancestor) != other.end();
        };
        common.erase(common.begin(), std::find_if(common.begin(), common.end(), shared));
    }
    return common.empty() ? 0 : common.front();
}

int yama_scope() {
    std::ifstream file("/proc/sys/kernel/yama/ptrace_scope");
    int scope = 0;
    return file >> scope ? scope : 0;
}

bool name_ptracer(int pid) noexcept {
    return ::prctl(PR_SET_PTRACER, static_cast<unsigned long>(pid), 0, 0, 0) == 0;
}

}  // namespace onecopy::mpi
