#include "os/cgroup.hpp"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>

namespace onecopy::os {
namespace {

std::vector<std::string> words_of(const std::string& line) {
    std::istringstream stream(line);
    std::vector<std::string> words;
    for (std::string word; stream >> word;) words.push_back(word);
    return words;
}

/// Where a hierarchy of cgroups is mounted, and which of its directories stands there.
struct Hierarchy {
    std::string point, root;
    bool unified = false;
};

bool lists(const std::string& options, std::string_view option) {
    std::istringstream stream(options);
    for (std::string one; std::getline(stream, one, ',');) {
        if (one == option) return true;
    }
    return false;
}

/// A line of mountinfo: ID PARENT DEVICE ROOT POINT OPTIONS [MORE...] - TYPE SOURCE SUPER-OPTIONS.
std::optional<Hierarchy> hierarchy_of(const std::string& line, std::string_view controller) {
    const std::vector<std::string> words = words_of(line);
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 4) return {};
    const std::string& type = dash[1];
    if (type == "cgroup2") return Hierarchy{words[4], words[3], true};
    if (type == "cgroup" && lists(dash[3], controller)) return Hierarchy{words[4], words[3], false};
    return {};
}

/// A line of /proc/PID/cgroup, NUMBER:CONTROLLERS:PATH: our path in the hierarchy of that
/// controller.
bool takes_part(const std::string& line, bool unified, std::string_view controller,
                std::string& path) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) return false;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    path = line.substr(second + 1);
    return unified ? line.compare(0, 3, "0::") == 0 : lists(controllers, controller);
}

}  // namespace

std::vector<Cgroup> own_cgroups(std::string_view controller, const std::string& proc_self) {
    std::vector<Cgroup> all;
    std::ifstream mounts(proc_self + "/mountinfo");
    for (std::string mount; std::getline(mounts, mount);) {
        const auto hierarchy = hierarchy_of(mount, controller);
        if (!hierarchy) continue;
        std::ifstream groups(proc_self + "/cgroup");
        for (std::string line, path; std::getline(groups, line);) {
            if (!takes_part(line, hierarchy->unified, controller, path)) continue;
            // In a container the mount shows a part of the hierarchy: what stands above it limits
            // us too, but cannot be seen.
            if (hierarchy->root != "/" &&
                path.compare(0, hierarchy->root.size(), hierarchy->root) == 0) {
                path.erase(0, hierarchy->root.size());
            }
            while (!path.empty() && path != "/") {
                all.push_back({hierarchy->point + path, hierarchy->unified});
                path.erase(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
            }
            all.push_back({hierarchy->point, hierarchy->unified});
            break;
        }
    }
    return all;
}

}  // namespace onecopy::os
