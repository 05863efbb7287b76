#include "os/cpu_distance.hpp"

#include <algorithm>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "os/cpu_files.hpp"

namespace onecopy::os {

/// What one core sees.
struct CpuDistances::Row {
    std::vector<Distance> known;  // by number
    Distance others = Distance::farther;

    void put(std::string_view list, Distance distance) {
        each_cpu(list, most_cpus, [&](int cpu) {
            const auto index = static_cast<std::size_t>(cpu);
            if (index >= known.size()) known.resize(index + 1, others);
            known[index] = std::min(known[index], distance);
        });
    }
};

CpuDistances::~CpuDistances() {
    for (const auto& each : rows_) delete each.load(std::memory_order_relaxed);
}

std::unique_ptr<CpuDistances::Row> CpuDistances::read_row(int cpu) const {
    const std::string root = root_;
    const std::string core = root + "/cpu/cpu" + std::to_string(cpu);
    auto row = std::make_unique<Row>();
    struct Cache {
        std::string level, cores;
    };
    std::vector<Cache> caches;
    for (int index = 0;; ++index) {
        const std::string cache = core + "/cache/index" + std::to_string(index);
        Cache one{line_of(cache + "/level"), line_of(cache + "/shared_cpu_list")};
        if (one.level.empty()) break;
        if (line_of(cache + "/type") != "Instruction") caches.push_back(std::move(one));
    }
    const Distance in_node = caches.empty() ? Distance::same_l3 : Distance::same_node;
    const std::string node = cpus_of_node(root, core);
    if (node.empty()) row->others = in_node;
    row->put(node, in_node);
    for (const Cache& each : caches) {
        if (each.level == "2") row->put(each.cores, Distance::same_l2);
        if (each.level == "3") row->put(each.cores, Distance::same_l3);
    }
    row->put(line_of(core + "/topology/thread_siblings_list"), Distance::same_core);
    return row;
}

const CpuDistances::Row* CpuDistances::row_of(int cpu) noexcept {
    std::atomic<const Row*>& place = rows_[static_cast<std::size_t>(cpu)];
    if (const Row* const row = place.load(std::memory_order_acquire)) return row;
    try {
        std::unique_ptr<Row> made = read_row(cpu);
        const Row* seen = nullptr;
        if (!place.compare_exchange_strong(seen, made.get(), std::memory_order_acq_rel)) {
            return seen;
        }
        return made.release();
    } catch (const std::exception&) {
        return nullptr;  // no memory: another time
    }
}

Distance CpuDistances::between(int one, int other) noexcept {
    if (one == other) return Distance::same_core;
    if (one < 0 || other < 0 || one >= most_cpus || other >= most_cpus) return Distance::farther;
    const Row* const row = row_of(one);
    if (row == nullptr) return Distance::same_l3;
    const auto index = static_cast<std::size_t>(other);
    return index < row->known.size() ? row->known[index] : row->others;
}

namespace {

/// Never destroyed: a rank may end after all that is static.
union Forever {
    constexpr Forever() noexcept : distances("/sys/devices/system") {}
    ~Forever() {}
    CpuDistances distances;
};
constinit Forever this_machine;

}  // namespace

Distance distance_between(int one, int other) noexcept {
    return this_machine.distances.between(one, other);
}

}  // namespace onecopy::os
