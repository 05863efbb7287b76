// How far two cores are from each other.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace onecopy::os {

/// The nearest that both have in common.
enum class Distance : std::uint8_t {
    same_core,  ///< hardware threads of one core, or one and the same
    same_l2,
    same_l3,
    same_node,  ///< of memory (NUMA)
    farther
};
inline constexpr std::size_t distances = 5;

/// The distances on one machine, as its sysfs tells them: what is next to a core is read when that
/// core is first asked for, and kept. Any number of threads.
///
/// A machine that does not say which caches its cores share is taken for one where all cores of a
/// node share the last one.
class CpuDistances {
public:
    /// Numbers from here on are as far as can be.
    static constexpr int most_cpus = 4096;

    /// `root`: a directory as /sys/devices/system; borrowed.
    explicit constexpr CpuDistances(const char* root) noexcept : root_(root) {}
    ~CpuDistances();
    CpuDistances(const CpuDistances&) = delete;
    CpuDistances& operator=(const CpuDistances&) = delete;

    /// By the kernel's numbers. The first time for `one` it reads some ten files; afterwards it is
    /// a few loads. Source: Documentation/ABI/stable/sysfs-devices-system-cpu.
    [[nodiscard]] Distance between(int one, int other) noexcept;

private:
    struct Row;
    [[nodiscard]] const Row* row_of(int cpu) noexcept;
    [[nodiscard]] std::unique_ptr<Row> read_row(int cpu) const;

    const char* root_;
    /// Each is stored once (release), by whoever read it first, and stays.
    std::array<std::atomic<const Row*>, most_cpus> rows_{};
};

/// The same on this machine.
[[nodiscard]] Distance distance_between(int one, int other) noexcept;

}  // namespace onecopy::os
