#include "cli/bench_timing.hpp"

#include <fmt/format.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>
#include <fstream>
#include <new>
#include <set>
#include <string>
#include <utility>

namespace onecopy::cli {
namespace {

/// How long a rank spins before it lets others of its core run now and then: longer than rewriting
/// and verifying the largest message takes.
constexpr std::int64_t spin_ns = 200'000'000;

long futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value) noexcept {
    static_assert(sizeof word == sizeof(std::uint32_t));
    return ::syscall(SYS_futex, &word, operation, value, nullptr, nullptr, 0);
}

}  // namespace

double clock_cost_ns() noexcept {
    std::array<std::int64_t, 1001> costs;
    for (auto& cost : costs) {
        const std::int64_t start = now_ns();
        cost = now_ns() - start;
    }
    std::nth_element(costs.begin(), costs.begin() + costs.size() / 2, costs.end());
    return static_cast<double>(costs[costs.size() / 2]);
}

std::vector<int> usable_cpus() {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    std::vector<int> firsts;
    std::vector<int> others;
    if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return firsts;
    std::set<std::string> cores;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (!CPU_ISSET(cpu, &allowed)) continue;
        std::ifstream file(
            fmt::format("/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu));
        std::string siblings;
        if (!std::getline(file, siblings)) siblings = std::to_string(cpu);
        (cores.insert(siblings).second ? firsts : others).push_back(cpu);
    }
    firsts.insert(firsts.end(), others.begin(), others.end());
    return firsts;
}

bool bind_to_cpu(int cpu) noexcept {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return ::sched_setaffinity(0, sizeof set, &set) == 0;
}

std::uint32_t Barrier::arrive(std::uint32_t ranks, Waiting waiting) noexcept {
    // Cannot end before this rank has arrived, so it is the current one.
    const std::uint32_t here = generation_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == ranks) {  // (A)
        arrived_.store(0, std::memory_order_relaxed);
        generation_.store(here + 1, std::memory_order_release);  // (B)
        if (waiting == Waiting::sleep) futex(generation_, FUTEX_WAKE, INT_MAX);
    }
    return here;
}

void Barrier::wait(std::uint32_t ranks, Waiting waiting) noexcept {
    const std::uint32_t here = arrive(ranks, waiting);
    std::int64_t start = 0;
    for (unsigned turn = 0; generation_.load(std::memory_order_acquire) == here; ++turn) {
        if (waiting == Waiting::sleep) {
            futex(generation_, FUTEX_WAIT, here);
            continue;
        }
        relax(waiting == Waiting::yield);
        // The clock now and then: reading it all the time would delay leaving the loop.
        if (waiting == Waiting::yield || turn % 64 != 63) continue;
        if (start == 0) start = now_ns();
        if (now_ns() - start > spin_ns) ::sched_yield();
    }
}

Memory::Memory(std::size_t bytes, Kind kind) {
    const int sharing = kind == Kind::is_shared ? MAP_SHARED : MAP_PRIVATE;
    void* at = ::mmap(nullptr, std::max<std::size_t>(bytes, 1), PROT_READ | PROT_WRITE,
                      sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) throw std::bad_alloc();
    bytes_ = {static_cast<std::byte*>(at), std::max<std::size_t>(bytes, 1)};
}

Memory::~Memory() {
    if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

}  // namespace onecopy::cli
