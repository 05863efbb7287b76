#include "node/ways_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <span>
#include <system_error>

#include "node/settings.hpp"
#include "os/fd.hpp"
#include "os/sha256.hpp"

namespace onecopy::node {
namespace {

constexpr std::string_view first_words = "onecopy tune 2 on ";
constexpr std::string_view last_line = "end";
constexpr std::size_t most_file_bytes = std::size_t{16} << 10;

constexpr std::uint64_t most_shared_from = std::uint64_t{1} << 40;
constexpr std::uint64_t least_slot_bytes = 4096;
constexpr std::uint32_t least_slots = 2;

std::optional<Unmapped> unmapped_of(std::string_view name) {
    const auto way = index_of(unmapped_names, name);
    if (!way) return {};
    return static_cast<Unmapped>(*way);
}

bool apply_one(std::string_view setting, Ways& ways) {
    std::string_view value = setting;
    const std::string_view name = take_until(value, '=');
    if (name == "unmapped") return read_each(value, ways.unmapped, unmapped_of);
    if (name == "shared-from") {
        const auto bytes = bytes_within(value, 1, most_shared_from);
        if (bytes) ways.shared_from = *bytes;
        return bytes.has_value();
    }
    if (name == "slot") {
        const auto bytes = bytes_within(value, least_slot_bytes, stage_slot_bytes);
        if (bytes) ways.slot_bytes = static_cast<std::uint32_t>(*bytes);
        return bytes.has_value();
    }
    if (name == "slots") {
        std::uint32_t slots = 0;
        const char* const end = value.data() + value.size();
        const auto read = std::from_chars(value.data(), end, slots);
        if (read.ec != std::errc() || read.ptr != end || slots < least_slots ||
            slots > stage_slots) {
            return false;
        }
        ways.slots = slots;
        return true;
    }
    return false;
}

/// The beginning of a file, of which the kernel makes no more than is asked for.
std::string beginning_of(const char* path, std::size_t bytes) {
    const os::Fd file(::open(path, O_RDONLY | O_CLOEXEC));
    std::string text(bytes, '\0');
    const ssize_t got = file ? ::read(file.get(), text.data(), text.size()) : -1;
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text;
}

/// A line of the file: what it is for, and settings.
bool read_line(std::string_view line, MeasuredWays& read) {
    const std::string_view name = take_until(line, ' ');
    std::string_view wrong;
    const auto once = [&](bool& measured, auto& table) {
        const bool good = !measured && !line.empty() && apply_settings(line, table, wrong);
        measured = true;
        return good;
    };
    if (const auto distance = index_of(distance_names, name)) {
        return once(read.measured[*distance], read.table[*distance]);
    }
    const auto company = index_of(company_names, name);
    return company && once(read.schedules_measured[*company], read.schedules[*company]);
}

/// Settings of the environment, for all tables; returns what it says.
template <class Tables>
std::string apply_environment(const char* name, Tables& tables, const char* what_may_stand_there) {
    const char* const settings = ::secure_getenv(name);
    if (settings == nullptr) return {};
    for (auto& each : tables) {
        std::string_view wrong;
        if (apply_settings(settings, each, wrong)) continue;
        throw std::system_error(EINVAL, std::system_category(),
                                std::string("onecopy: read ") + name + ": \"" + std::string(wrong) +
                                    "\" is none of " + what_may_stand_there +
                                    ", with commas between them");
    }
    return settings;
}

/// A directory that the environment names; empty if it names none.
std::string directory_in(const char* name) {
    const char* const path = ::secure_getenv(name);
    return path != nullptr && path[0] == '/' ? path : "";
}

}  // namespace

bool apply_settings(std::string_view settings, Ways& ways, std::string_view& wrong) {
    while (!settings.empty()) {
        wrong = take_until(settings, ',');
        if (!apply_one(wrong, ways)) return false;
    }
    return true;
}

std::string settings_text(const Ways& ways) {
    return "unmapped=" +
           each_text(ways.unmapped,
                     [](Unmapped each) {
                         return std::string(unmapped_names[static_cast<std::size_t>(each)]);
                     }) +
           ",shared-from=" + size_text(ways.shared_from) + ",slot=" + size_text(ways.slot_bytes) +
           ",slots=" + std::to_string(ways.slots);
}

std::string file_text(const MeasuredWays& ways, std::string_view machine) {
    std::string text(first_words);
    text += machine;
    text += '\n';
    for (std::size_t i = 0; i < os::distances; ++i) {
        if (!ways.measured[i]) continue;
        text += distance_names[i];
        text += ' ' + settings_text(ways.table[i]) + '\n';
    }
    for (std::size_t i = 0; i < company_names.size(); ++i) {
        if (!ways.schedules_measured[i]) continue;
        text += company_names[i];
        text += ' ' + settings_text(ways.schedules[i]) + '\n';
    }
    text += last_line;
    return text + '\n';
}

void read_file_text(std::string_view text, std::string_view machine, MeasuredWays& ways,
                    std::string& why) {
    why.clear();
    std::string_view head = take_until(text, '\n');
    if (!head.starts_with(first_words)) {
        why = "it is of another version";
        return;
    }
    head.remove_prefix(first_words.size());
    if (head != machine) {
        why = "it is another machine's";
        return;
    }
    MeasuredWays read;
    while (!text.empty()) {
        // The last line counts with its end only: without that it may be the beginning of one.
        const bool whole = text.find('\n') != std::string_view::npos;
        std::string_view line = take_until(text, '\n');
        if (line == last_line && whole && text.empty()) {
            ways = read;
            return;
        }
        if (!read_line(line, read)) {
            why = "a line of it makes no sense";
            return;
        }
    }
    why = "its end is missing";
}

std::string machine_facts() {
    std::string facts;
    // The first processor's lines; "model name" and its like elsewhere. What changes from one
    // moment to the next (MHz) is left out.
    const std::string about = beginning_of("/proc/cpuinfo", 4096);
    std::string_view lines = about;
    for (bool first = true; !lines.empty();) {
        const std::string_view line = take_until(lines, '\n');
        if (line.empty()) {
            if (!first) break;
            continue;
        }
        first = false;
        for (const std::string_view name :
             {"model name", "cpu family", "model\t", "stepping", "CPU implementer", "CPU variant",
              "CPU part", "cpu\t", "isa", "uarch"}) {
            const std::size_t colon = line.find(':');
            if (!line.starts_with(name) || colon == std::string_view::npos) continue;
            const std::size_t at = line.find_first_not_of(' ', colon + 1);
            if (at == std::string_view::npos) continue;
            facts += line.substr(at);
            facts += ' ';
        }
    }
    facts += "x " + std::to_string(::sysconf(_SC_NPROCESSORS_CONF));
    utsname kernel{};
    if (::uname(&kernel) == 0) {
        facts += std::string(" ") + kernel.sysname + ' ' + kernel.release + ' ' + kernel.machine;
    }
    std::replace_if(
        facts.begin(), facts.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return facts;
}

std::string ways_path(std::string_view machine) {
    std::string directory = directory_in("XDG_CACHE_HOME");
    if (directory.empty()) {
        const std::string home = directory_in("HOME");
        if (home.empty()) return {};
        directory = home + "/.cache";
    }
    const os::Digest digest = os::sha256(std::as_bytes(std::span(machine)));
    std::array<char, 17> number{};
    for (std::size_t i = 0; i < 8; ++i) {
        std::snprintf(&number[2 * i], 3, "%02x", std::to_integer<unsigned>(digest[i]));
    }
    return directory + "/onecopy/tune-" + number.data();
}

bool read_ways_file(const std::string& path, std::string_view machine, MeasuredWays& ways,
                    std::string& why) {
    why.clear();
    // It may be anything: a pipe that nobody writes to must not hold us.
    const os::Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
    if (!file) {
        if (errno != ENOENT && errno != ENOTDIR) {
            why = std::error_code(errno, std::system_category()).message();
        }
        return false;
    }
    struct stat facts {};
    if (::fstat(file.get(), &facts) != 0 || !S_ISREG(facts.st_mode)) {
        why = "it is no plain file";
        return false;
    }
    if (facts.st_uid != ::geteuid() || (facts.st_mode & S_IWOTH) != 0) {
        why = "others than this user may write to it";
        return false;
    }
    std::string text(most_file_bytes + 1, '\0');
    std::size_t bytes = 0;
    for (ssize_t got = 1; got > 0 && bytes < text.size(); bytes += static_cast<std::size_t>(got)) {
        got = ::read(file.get(), text.data() + bytes, text.size() - bytes);
        if (got < 0) break;
    }
    if (bytes > most_file_bytes) {
        why = "it is too long";
        return false;
    }
    text.resize(bytes);
    read_file_text(text, machine, ways, why);
    return why.empty();
}

LoadedWays load_ways() {
    LoadedWays loaded;
    const std::string machine = machine_facts();
    const std::string path = ways_path(machine);
    if (!path.empty()) {
        MeasuredWays measured;
        std::string why;
        if (read_ways_file(path, machine, measured, why)) {
            loaded.table = measured.table;
            loaded.schedules = measured.schedules;
            loaded.file = path;
        } else if (!why.empty()) {
            loaded.ignored = path + ": " + why;
        }
    }
    loaded.settings = apply_environment(
        "ONECOPY_WAYS", loaded.table,
        "unmapped=call|both-call|staged (or six of these between '/'), shared-from=1 to 1024G, "
        "slot=4K to 32K, slots=2 to 16");
    loaded.schedule_settings =
        apply_environment("ONECOPY_SCHEDULES", loaded.schedules,
                          "COLLECTIVE-mapped|frames=pull|push|redundant:4K to 64M (or six of these "
                          "between '/'), as in allreduce-mapped=push:1M");
    return loaded;
}

}  // namespace onecopy::node
