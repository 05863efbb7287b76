// Which schedules large collective calls are to go by on this machine: what there is to compare,
// and what it took.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "cli/tune_plan.hpp"
#include "node/schedules.hpp"

namespace onecopy::cli {

/// A collective on one kind of memory: what takes turns, and at which sizes.
struct ScheduleTask {
    schedule::Collective what;
    node::Reach reach;
    std::vector<node::Schedule> candidates;  ///< the first is what is built in
    std::vector<std::size_t> sizes;          ///< of a block: classes, see class_bytes
};

/// All collectives, both kinds of memory, all sizes.
std::vector<ScheduleTask> schedule_tasks(node::Company company);

/// Times of each task, in seconds: [task][candidate][size].
using TaskTimes = std::vector<Times>;

/// Runs the tasks in ranks that are bound to these CPUs. A call's time is that of the rank that
/// took longest, from a barrier on, its operands just written: the lower quartile counts. Calls
/// that other programs disturbed do not. Throws Failure, also if there were no others; if the
/// caller dies, so do the ranks. In a process of one thread.
TaskTimes measure_schedules(std::span<const int> cpus, const std::vector<ScheduleTask>& tasks);

/// What is chosen: for each size of each task the fastest candidate, or the first one unless
/// another is faster by more than a tie in two measurements. `measure` is asked once or twice.
struct ScheduleChoice {
    node::ScheduleTable table;
    std::vector<std::string> changes;  ///< a line for each that is not as built in
};
ScheduleChoice choose_schedules(
    node::Company company,
    const std::function<TaskTimes(const std::vector<ScheduleTask>&)>& measure);

}  // namespace onecopy::cli
