// What the kernel's files say about a core. Of this room alone.
#pragma once

#include <charconv>
#include <string>
#include <string_view>
#include <system_error>

namespace onecopy::os {

/// A short file as one line; empty if it cannot be read.
std::string line_of(const std::string& path);

/// The list of the processors of the memory node that a core's directory (`root`/cpu/cpuN) names;
/// empty where it names none.
std::string cpus_of_node(const std::string& root, const std::string& core);

/// Calls visit(number) for each below `end_of_numbers` of a list as "0-3,8,10-11"; stops at what is
/// none.
template <class Visit>
void each_cpu(std::string_view list, int end_of_numbers, const Visit& visit) {
    const char* at = list.data();
    const char* const end = at + list.size();
    while (at != end) {
        int first = 0;
        auto read = std::from_chars(at, end, first);
        if (read.ec != std::errc() || first < 0) return;
        int last = first;
        if (read.ptr != end && *read.ptr == '-') {
            read = std::from_chars(read.ptr + 1, end, last);
            if (read.ec != std::errc()) return;
        }
        for (int cpu = first; cpu <= last && cpu < end_of_numbers; ++cpu) visit(cpu);
        if (read.ptr == end || *read.ptr != ',') return;
        at = read.ptr + 1;
    }
}

}  // namespace onecopy::os
