// Where on the machine somebody is who may run on some of its processors.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace onecopy::os {

/// Each by the number of its first processor, so that no two have the same one.
struct CpuPlace {
    /// In place of a number: there are several in which it may run.
    static constexpr std::uint16_t several = 0xffff;

    std::uint16_t package = several, numa = several, l3 = several;

    bool operator==(const CpuPlace&) const = default;
};

/// Of who may use `cpus`: a bit each, by the kernel's numbers. What the machine does not tell of
/// the first of them, it has one of. None at all: several of everything.
///
/// `root`: a directory as /sys/devices/system. Reads some ten short files. Throws std::bad_alloc.
/// Source: Documentation/ABI/stable/sysfs-devices-system-cpu.
[[nodiscard]] CpuPlace place_of(std::span<const std::uint64_t> cpus,
                                std::string_view root = "/sys/devices/system");

/// Of a hardware thread, counted from 0 and beyond the last one from 0 again, on a machine that is
/// not here: "package:2 numa:2 l3:4 core:8 pu:1", so many in each of the next larger. Of the words
/// that hwloc knows for such machines: machine, package, die, group, numa, l5 to l1, core, pu, the
/// last two not needed. Nothing: the text says no such machine, or it has more than 65,535 threads.
/// Source: hwloc, "Synthetic topologies".
[[nodiscard]] std::optional<CpuPlace> place_in(std::string_view machine,
                                               std::uint64_t thread) noexcept;

}  // namespace onecopy::os
