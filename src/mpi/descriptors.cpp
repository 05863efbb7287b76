#include "mpi/descriptors.hpp"

#include <sys/resource.h>

#include <filesystem>
#include <system_error>

namespace onecopy::mpi {

namespace {

constexpr std::uint64_t descriptors_per_rank = 3;

/// 0 where /proc does not tell.
std::uint64_t open_descriptors() {
    std::uint64_t open = 0;
    std::error_code error;
    using Iterator = std::filesystem::directory_iterator;
    for (Iterator at("/proc/self/fd", error); !error && at != Iterator(); at.increment(error)) {
        ++open;
    }
    return open > 0 ? open - 1 : 0;  // one is the directory's
}

}  // namespace

std::string descriptor_objection(std::uint64_t limit, std::uint64_t open, int ranks) {
    const std::uint64_t needed = descriptors_per_rank * static_cast<std::uint64_t>(ranks);
    if (open + needed <= limit / 2) return {};
    return std::to_string(needed) + " file descriptors for " + std::to_string(ranks) +
           " ranks, besides " + std::to_string(open) + " open ones, leave fewer than half of " +
           std::to_string(limit) + " free (raise ulimit -n)";
}

std::string descriptor_objection(int ranks) {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return {};
    return descriptor_objection(limit.rlim_cur, open_descriptors(), ranks);
}

}  // namespace onecopy::mpi
