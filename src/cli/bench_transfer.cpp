#include "cli/bench_transfer.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/bench_cooperative.hpp"
#include "cli/bench_group.hpp"
#include "cli/bench_options.hpp"
#include "cli/bench_timing.hpp"

namespace onecopy::cli {
namespace {

std::string heading_of(Work work) {
    switch (work) {
        case Work::read:
            return "read: one process copies a message out of another's memory";
        case Work::write:
            return "write: one process copies a message into another's memory";
        case Work::reduce:
            return "reduce: doubles of another process are added to our own";
        case Work::incast:
            break;
    }
    return "incast: several processes send to one (bytes of each, GB/s of all together)";
}

void describe_conditions(const TransferBench& bench, std::span<const int> cpus, Report& report) {
    std::vector<std::string>& notes = report.notes;
    const auto has = [](const std::vector<std::string>& list, std::string_view name) {
        return std::find(list.begin(), list.end(), name) != list.end();
    };
    const std::vector<std::string>& works = bench.works;
    const std::vector<std::string>& ways = bench.ways;
    if (cpus.size() > 1) {
        notes.push_back(fmt::format(
            "Receiver on core {}, sender on core {}. Each message was written by its sender just "
            "before: it is in that core's caches as far as they hold it; the destination is in the "
            "receiver's, which has just overwritten it.",
            cpus[0], cpus[1]));
    } else {
        notes.emplace_back("All processes share one core: nothing here runs at the same time.");
    }
    notes.push_back(fmt::format(
        "One operation after a barrier, from the first start to the last end; ways take turns "
        "message by message, in another order every round; every byte verified outside the clock, "
        "which costs {:.0f} ns a "
        "sample.",
        clock_cost_ns()));
    if (has(ways, "memcpy")) {
        notes.emplace_back(
            "memcpy is the ceiling: a source (write, incast: a destination) that both processes "
            "have mapped; in reduce the addition straight from there.");
    }
    if (has(ways, "mapped") || has(ways, "mapped_private")) {
        notes.emplace_back(
            "mapped and mapped_private are this library on memory of the peer's arena; the own "
            "buffer is in an arena too, or ordinary memory.");
    }
    if (has(ways, "mapped_cooperative")) {
        notes.push_back(fmt::format(
            "mapped_cooperative: both processes claim chunks of {} to {} of one message; it has "
            "none of the library's checks.",
            human_bytes(cooperative_chunk_bytes(1)),
            human_bytes(cooperative_chunk_bytes(SIZE_MAX))));
    }
    if (has(ways, "double_copy")) {
        notes.push_back(fmt::format(
            "double_copy is pipelined through {} slots of {} in shared memory; in reduce the "
            "operand is added straight out of the slot.",
            Ring::slots, human_bytes(Ring::slot_bytes)));
    }
    if (has(ways, "vmsplice")) {
        notes.emplace_back(
            "vmsplice lends pages to a pipe of up to 1 MiB, read() copies them out; no end blocks. "
            "In incast each sender has a pipe of its own, and one process reads them all.");
    }
    if (has(works, "incast") && cpus.size() < max_senders + 1) {
        notes.push_back(fmt::format(
            "incast: the processes share {} cores, one after the other in turn; below 64 KiB the "
            "figures are those of the scheduler.",
            cpus.size()));
    }
    if (has(ways, "onecopy") && (has(works, "write") || has(works, "incast"))) {
        notes.emplace_back(
            "onecopy writes into a process whose number is held; one that is not held is written "
            "through /proc/PID/mem, at proc_mem's speed.");
    }
    notes.emplace_back(
        "Not measured: more than these cores at once, several NUMA nodes, XPMEM, cold caches.");
}

}  // namespace

Report run_transfer_bench(const TransferBench& bench, std::FILE* out) {
    Report report;
    report.title = "onecopy bench transfer";
    report.machine = this_machine();
    const std::vector<int> cpus = usable_cpus();
    describe_conditions(bench, cpus, report);
    for (const std::string& name : bench.works) {
        const Work work = work_named(name);
        std::vector<std::string> ways;
        for (const std::string& way : bench.ways) {
            if (does(way, work)) ways.push_back(way);
        }
        if (ways.empty()) continue;
        const std::size_t first = report.rows.size();
        std::vector<std::size_t> senders = {1};
        if (work == Work::incast) senders = {1, 2, 4, max_senders};
        for (const std::size_t count : senders) {
            std::vector<std::uint64_t> sizes;
            for (const std::uint64_t bytes : bench.sizes) {
                if (work != Work::incast || bytes * count <= incast_bytes) sizes.push_back(bytes);
            }
            if (sizes.size() < bench.sizes.size()) {
                report.notes.push_back(
                    fmt::format("incast of {} senders is left out above {} each: {} in all", count,
                                human_bytes(incast_bytes / count), human_bytes(incast_bytes)));
            }
            if (sizes.empty()) continue;
            // Two processes or more on one core share it; on several, the receiver comes first.
            const std::size_t used = std::min(cpus.size(), count + 1);
            measure_group(bench, work, count, sizes, ways, std::span(cpus).first(used), report);
        }
        print_rows(out, heading_of(work), std::span(report.rows).subspan(first), "memcpy");
    }
    return report;
}

}  // namespace onecopy::cli
