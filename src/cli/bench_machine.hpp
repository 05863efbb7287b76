// What a figure was measured on.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace onecopy::cli {

/// One cache as seen from the first core we may use.
struct Cache {
    int level = 0;
    std::string type;  // "Data", "Instruction", "Unified"
    std::uint64_t bytes = 0;
    int cores = 0;  // logical CPUs that share it
};

struct Machine {
    std::string cpu;  // the model's name
    int cores = 0;    // logical CPUs this process may use
    int cores_online = 0;
    bool virtual_machine = false;
    std::vector<Cache> caches;
    std::string kernel;      // release
    std::string huge_pages;  // transparent huge pages for private memory: always, madvise, never
    std::map<std::string, std::string> libraries;  // name to version; a bench adds what it uses
};

/// Asks /proc and /sys; what they do not tell stays empty. Allocates.
Machine this_machine();

/// "AMD EPYC, 2 cores of 2, L1d 48 KiB, L2 1 MiB, L3 32 MiB shared by 2; Linux 6.18 ..."
std::string describe(const Machine& machine);

}  // namespace onecopy::cli
