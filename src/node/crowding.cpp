#include "node/crowding.hpp"

#include <sched.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <new>

#include "os/cpu_quota.hpp"

namespace onecopy::node {
namespace {

using Cpus = decltype(RankLine::cpus);

int count_of(const Cpus& cpus) noexcept {
    int sum = 0;
    for (const std::uint64_t word : cpus) sum += std::popcount(word);
    return sum;
}

}  // namespace

void Crowding::introduce(RankLine& line) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    ::sched_getaffinity(0, sizeof cpus, &cpus);
    std::memcpy(line.cpus.data(), &cpus, std::min(sizeof cpus, sizeof line.cpus));
    const os::CpuQuota quota = os::cpu_quota();
    line.quota_millicores = quota.millicores;
    line.quota_group = quota.group;
}

/// Where ranks may use different cores, and not all of them together, there may be fewer than there
/// seem to be: then the ranks put each other off.
bool Crowding::count() noexcept {
    Cpus all{}, taken_alone{};
    bool known = true;
    bool shared = false;  // two ranks that may use one and the same core only
    std::uint64_t sharing_quota = 0;
    const RankLine& own = memory_.line(own_);
    for (int rank = 0; rank < memory_.ranks(); ++rank) {
        const RankLine& line = memory_.line(rank);
        if (line.stage.load(std::memory_order_acquire) == Stage::absent) {
            known = false;
            continue;
        }
        if (line.quota_group == own.quota_group) ++sharing_quota;
        const bool alone = count_of(line.cpus) == 1;
        for (std::size_t i = 0; i < all.size(); ++i) {
            all[i] |= line.cpus[i];
            if (!alone) continue;
            shared = shared || (taken_alone[i] & line.cpus[i]) != 0;
            taken_alone[i] |= line.cpus[i];
        }
    }
    const bool answer =
        shared || count_of(all) < memory_.ranks() || own.quota_millicores / 1000 < sharing_quota;
    if (known) counted_ = answer;
    return answer;
}

}  // namespace onecopy::node
