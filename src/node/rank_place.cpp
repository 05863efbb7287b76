#include "node/rank_place.hpp"

#include <sched.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <system_error>

namespace onecopy::node {

os::CpuPlace place_of_rank(int rank) {
    if (const char* const machine = ::secure_getenv("ONECOPY_TOPOLOGY")) {
        const auto place = os::place_in(machine, static_cast<std::uint64_t>(rank));
        if (place) return *place;
        throw std::system_error(EINVAL, std::system_category(),
                                "onecopy: read ONECOPY_TOPOLOGY: \"" + std::string(machine) +
                                    "\" describes no machine; write one like "
                                    "\"package:2 numa:2 l3:4 core:8\"");
    }
    cpu_set_t set;
    CPU_ZERO(&set);
    ::sched_getaffinity(0, sizeof set, &set);
    std::array<std::uint64_t, sizeof set / sizeof(std::uint64_t)> cpus{};
    std::memcpy(cpus.data(), &set, sizeof set);
    return os::place_of(cpus);
}

}  // namespace onecopy::node
