#include "cli/bench_machine.hpp"

#include <fmt/format.h>
#include <gnu/libc-version.h>
#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <string_view>

#include "cli/bench_options.hpp"

namespace onecopy::cli {
namespace {

/// The first line of a file; empty if it cannot be read.
std::string first_line(const std::string& path) {
    std::ifstream file(path);
    std::string line;
    std::getline(file, line);
    return line;
}

/// "32768K" as bytes. Source: Linux, Documentation/ABI/testing/sysfs-devices-system-cpu.
std::uint64_t cache_bytes(std::string_view text) {
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return 0;
    if (end == text.data() + text.size()) return number;
    return *end == 'K' ? number << 10 : *end == 'M' ? number << 20 : number;
}

/// How many CPUs a list like "0-3,8" names.
int count_cpus(std::string_view list) {
    int count = 0;
    while (!list.empty()) {
        int from = 0;
        auto [end, error] = std::from_chars(list.data(), list.data() + list.size(), from);
        if (error != std::errc{}) return count;
        list.remove_prefix(static_cast<std::size_t>(end - list.data()));
        int to = from;
        if (!list.empty() && list.front() == '-') {
            list.remove_prefix(1);
            const auto range = std::from_chars(list.data(), list.data() + list.size(), to);
            if (range.ec != std::errc{}) return count;
            list.remove_prefix(static_cast<std::size_t>(range.ptr - list.data()));
        }
        count += to - from + 1;
        if (!list.empty()) list.remove_prefix(1);
    }
    return count;
}

/// The bracketed word of "always [madvise] never".
std::string chosen(std::string_view text) {
    const std::size_t open = text.find('[');
    const std::size_t close = text.find(']');
    if (open == std::string_view::npos || close == std::string_view::npos || close < open)
        return {};
    return std::string(text.substr(open + 1, close - open - 1));
}

void read_cpuinfo(Machine& machine) {
    std::ifstream file("/proc/cpuinfo");
    for (std::string line; std::getline(file, line);) {
        const std::size_t colon = line.find(": ");
        if (colon == std::string::npos) continue;
        const std::string_view name(line.data(), colon);
        const std::string_view value = std::string_view(line).substr(colon + 2);
        if (machine.cpu.empty() && name.starts_with("model name")) machine.cpu = value;
        if (name.starts_with("flags")) {
            machine.virtual_machine = value.find(" hypervisor") != std::string_view::npos;
            return;
        }
    }
}

int first_cpu(const cpu_set_t& set) {
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) return cpu;
    }
    return 0;
}

}  // namespace

Machine this_machine() {
    Machine machine;
    read_cpuinfo(machine);
    cpu_set_t set;
    CPU_ZERO(&set);
    ::sched_getaffinity(0, sizeof set, &set);
    machine.cores = CPU_COUNT(&set);
    machine.cores_online = static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
    const std::string caches =
        fmt::format("/sys/devices/system/cpu/cpu{}/cache/index", first_cpu(set));
    for (int index = 0;; ++index) {
        const std::string at = caches + std::to_string(index);
        const std::string size = first_line(at + "/size");
        if (size.empty()) break;
        Cache cache;
        cache.level = static_cast<int>(cache_bytes(first_line(at + "/level")));
        cache.type = first_line(at + "/type");
        cache.bytes = cache_bytes(size);
        cache.cores = count_cpus(first_line(at + "/shared_cpu_list"));
        machine.caches.push_back(std::move(cache));
    }
    utsname names{};
    if (::uname(&names) == 0) {
        machine.kernel = names.release;
        if (machine.cpu.empty()) machine.cpu = names.machine;
    }
    machine.huge_pages = chosen(first_line("/sys/kernel/mm/transparent_hugepage/enabled"));
    machine.libraries["onecopy"] = ONECOPY_VERSION;
    machine.libraries["glibc"] = ::gnu_get_libc_version();
#ifdef __clang__
    machine.libraries["compiler"] = "clang " __clang_version__;
#else
    machine.libraries["compiler"] = "gcc " __VERSION__;
#endif
    return machine;
}

std::string describe(const Machine& machine) {
    std::string text =
        fmt::format("{}, {} of {} cores{}", machine.cpu, machine.cores, machine.cores_online,
                    machine.virtual_machine ? " of a virtual machine" : "");
    for (const Cache& cache : machine.caches) {
        if (cache.type == "Instruction") continue;
        text += fmt::format(", L{}{} {}", cache.level, cache.type == "Data" ? "d" : "",
                            human_bytes(cache.bytes));
        if (cache.cores > 1) text += fmt::format(" shared by {}", cache.cores);
    }
    text += fmt::format("; Linux {}", machine.kernel);
    if (!machine.huge_pages.empty()) {
        text += fmt::format(", transparent huge pages: {}", machine.huge_pages);
    }
    return text;
}

}  // namespace onecopy::cli
