#include "os/headroom.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "os/cgroup.hpp"

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
    for (const Cgroup& each : own_cgroups("memory", proc_self)) {
        add_group(each.directory, each.unified);
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
