#include "os/headroom.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <optional>
#include <sstream>

namespace onecopy::os {
namespace {

Fd open_file(const std::string& path) {
    return with_high_number(Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC)));
}

/// Reads a small file from its start, into `buffer`.
template <std::size_t bytes>
std::string_view text_of(const Fd& fd, std::array<char, bytes>& buffer) noexcept {
    std::size_t have = 0;
    while (fd && have < buffer.size()) {
        const ssize_t got =
            ::pread(fd.get(), buffer.data() + have, buffer.size() - have, static_cast<off_t>(have));
        if (got <= 0) break;
        have += static_cast<std::size_t>(got);
    }
    return {buffer.data(), have};
}

std::optional<std::uint64_t> number_in(const Fd& fd) noexcept {
    std::array<char, 64> buffer;
    const std::string_view text = text_of(fd, buffer);
    std::uint64_t value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec != std::errc{}) return {};
    return value;  // "max" is no number, and so no limit
}

std::uint64_t difference(std::uint64_t whole, std::uint64_t part) noexcept {
    return whole > part ? whole - part : 0;
}

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
std::optional<Hierarchy> hierarchy_of(const std::string& line) {
    const std::vector<std::string> words = words_of(line);
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 6 || words.end() - dash < 4) return {};
    const std::string& type = dash[1];
    if (type == "cgroup2") return Hierarchy{words[4], words[3], true};
    if (type == "cgroup" && lists(dash[3], "memory")) return Hierarchy{words[4], words[3], false};
    return {};
}

/// A line of /proc/PID/cgroup, NUMBER:CONTROLLERS:PATH: our path in the hierarchy that limits
/// memory.
bool takes_part(const std::string& line, bool unified, std::string& path) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) return false;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    path = line.substr(second + 1);
    return unified ? line.compare(0, 3, "0::") == 0 : lists(controllers, "memory");
}

}  // namespace

bool find_number(std::string_view text, std::string_view name, std::uint64_t& value) noexcept {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        std::string_view line = text.substr(at, end - at);
        at = end + 1;
        if (line.substr(0, name.size()) != name) continue;
        line.remove_prefix(name.size());
        const std::size_t digits = line.find_first_not_of(": \t");
        if (digits == 0 || digits == std::string_view::npos) continue;  // a longer name
        line.remove_prefix(digits);
        return std::from_chars(line.data(), line.data() + line.size(), value).ec == std::errc{};
    }
    return false;
}

HeadroomWatch::HeadroomWatch(const std::string& proc_self, const std::string& meminfo,
                             const std::string& overcommit)
    : meminfo_(open_file(meminfo)), overcommit_(open_file(overcommit)) {
    std::ifstream mounts(proc_self + "/mountinfo");
    for (std::string mount; std::getline(mounts, mount);) {
        const auto hierarchy = hierarchy_of(mount);
        if (!hierarchy) continue;
        std::ifstream groups(proc_self + "/cgroup");
        for (std::string line, path; std::getline(groups, line);) {
            if (!takes_part(line, hierarchy->unified, path)) continue;
            // In a container the mount shows a part of the hierarchy: what stands above it limits
            // us too, but cannot be seen.
            if (hierarchy->root != "/" &&
                path.compare(0, hierarchy->root.size(), hierarchy->root) == 0) {
                path.erase(0, hierarchy->root.size());
            }
            while (!path.empty() && path != "/") {
                add_group(hierarchy->point + path, hierarchy->unified);
                path.erase(path.rfind('/') == std::string::npos ? 0 : path.rfind('/'));
            }
            add_group(hierarchy->point, hierarchy->unified);
            break;
        }
    }
}

void HeadroomWatch::add_group(const std::string& directory, bool unified) {
    Group group;
    group.limit = open_file(directory + (unified ? "/memory.max" : "/memory.limit_in_bytes"));
    group.usage = open_file(directory + (unified ? "/memory.current" : "/memory.usage_in_bytes"));
    if (!group.limit || !group.usage) return;  // the root has no limit
    group.statistics = open_file(directory + "/memory.stat");
    group.droppable[0] = unified ? "inactive_file" : "total_inactive_file";
    group.droppable[1] = unified ? "active_file" : "total_active_file";
    group.name =
        unified ? "the memory cgroup (memory.max)" : "the memory cgroup (memory.limit_in_bytes)";
    groups_.push_back(std::move(group));
}

Headroom HeadroomWatch::ask() const noexcept {
    Headroom least;
    const auto consider = [&](std::uint64_t bytes, std::string_view limiter) {
        if (bytes < least.bytes) least = {bytes, limiter};
    };
    std::array<char, 8192> buffer;
    for (const Group& group : groups_) {
        const auto limit = number_in(group.limit);
        const auto usage = number_in(group.usage);
        constexpr std::uint64_t none = std::uint64_t{1} << 60;  // version 1 says "none" so
        if (!limit || !usage || *limit >= none) continue;
        std::uint64_t left = difference(*limit, *usage);
        const std::string_view statistics = text_of(group.statistics, buffer);
        for (const std::string_view name : group.droppable) {
            std::uint64_t bytes = 0;
            if (find_number(statistics, name, bytes)) left += std::min(bytes, *usage);
        }
        consider(std::min(left, *limit), group.name);
    }
    const std::string_view meminfo = text_of(meminfo_, buffer);
    const auto kilobytes = [&](std::string_view name) -> std::optional<std::uint64_t> {
        std::uint64_t value = 0;
        if (!find_number(meminfo, name, value)) return {};
        return value * 1024;
    };
    if (const auto available = kilobytes("MemAvailable")) {
        consider(*available, "the machine's memory (MemAvailable)");
    }
    if (number_in(overcommit_) == std::uint64_t{2}) {
        const auto limit = kilobytes("CommitLimit");
        const auto committed = kilobytes("Committed_AS");
        if (limit && committed) {
            consider(difference(*limit, *committed), "vm.overcommit_memory = 2 (CommitLimit)");
        }
    }
    return least;
}

}  // namespace onecopy::os
