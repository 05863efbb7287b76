#include "os/cpu_distance.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "os/fd.hpp"

namespace onecopy::os {
namespace {

/// A short file as one line; empty if it cannot be read.
std::string line_of(const std::string& path) {
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return {};
    std::string text(4096, '\0');
    const ssize_t got = ::read(file.get(), text.data(), text.size());
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    text.erase(std::min(text.find('\n'), text.size()));
    return text;
}

/// Calls visit(number) for each of a list as "0-3,8,10-11"; stops at what is none.
template <class Visit>
void each_cpu(std::string_view list, const Visit& visit) {
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
        for (int cpu = first; cpu <= last && cpu < CpuDistances::most_cpus; ++cpu) visit(cpu);
        if (read.ptr == end || *read.ptr != ',') return;
        at = read.ptr + 1;
    }
}

struct CloseDirectory {
    void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

/// The cores of the memory node that a core's directory names; empty where it names none.
std::string cores_of_node(const std::string& root, const std::string& core) {
    const std::unique_ptr<DIR, CloseDirectory> entries(::opendir(core.c_str()));
    if (!entries) return {};
    constexpr std::string_view node = "node";
    while (const dirent* const entry = ::readdir(entries.get())) {
        const std::string_view name = entry->d_name;
        if (name.size() > node.size() && name.starts_with(node) && name[node.size()] >= '0' &&
            name[node.size()] <= '9') {
            return line_of(root + "/node/" + std::string(name) + "/cpulist");
        }
    }
    return {};
}

}  // namespace

/// What one core sees.
struct CpuDistances::Row {
    std::vector<Distance> known;  // by number
    Distance others = Distance::farther;

    void put(std::string_view list, Distance distance) {
        each_cpu(list, [&](int cpu) {
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
    const std::string node = cores_of_node(root, core);
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
