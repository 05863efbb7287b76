#include "cli/tune_schedules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <numeric>

#include "cli/arguments.hpp"
#include "schedule/forms.hpp"

namespace onecopy::cli {
namespace {

using node::Reach;
using node::Schedule;
using schedule::Collective;
using schedule::Form;

std::vector<std::uint32_t> windows_kib(Reach reach, Collective what) {
    if (reach == Reach::frames) return {32, 64, 128, 256};
    if (what == Collective::scan || what == Collective::exscan) return {32, 256, 1024};
    return {256, 1024, 4096};
}

std::vector<Schedule> candidates_for(const Schedule& standard, Reach reach, Collective what) {
    std::vector<Schedule> all{standard};
    for (const Form form : {Form::pull, Form::push, Form::redundant}) {
        if (!schedule::has_form(what, form)) continue;
        if (reach == Reach::frames && form == Form::push) continue;  // none there
        for (const std::uint32_t window : windows_kib(reach, what)) {
            if (const Schedule one{form, window}; one != standard) all.push_back(one);
        }
    }
    return all;
}

std::string text_of(const Schedule& schedule) {
    return fmt::format("{}, windows of {}", schedule::name_of(schedule.form),
                       bytes_text(std::uint64_t{schedule.window_kib} << 10));
}

}  // namespace

std::vector<ScheduleTask> schedule_tasks(node::Company company) {
    const node::Schedules built_in = node::built_in_schedules();
    std::vector<std::size_t> sizes(node::size_classes);
    std::iota(sizes.begin(), sizes.end(), 0);
    std::vector<ScheduleTask> tasks;
    for (std::size_t i = 0; i < schedule::collective_names.size(); ++i) {
        const auto what = static_cast<Collective>(i);
        for (const Reach reach : {Reach::mapped, Reach::frames}) {
            const Schedule& standard =
                built_in[static_cast<std::size_t>(company)].of(what, reach, 0);
            tasks.push_back({what, reach, candidates_for(standard, reach, what), sizes});
        }
    }
    return tasks;
}

ScheduleChoice choose_schedules(
    node::Company company,
    const std::function<TaskTimes(const std::vector<ScheduleTask>&)>& measure) {
    ScheduleChoice choice{node::built_in_schedules()[static_cast<std::size_t>(company)], {}};
    const std::vector<ScheduleTask> tasks = schedule_tasks(company);
    const TaskTimes times = measure(tasks);
    // The best of many had luck, too. Where it is not the built-in one: once more, it alone.
    std::vector<ScheduleTask> again;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        const ScheduleTask& task = tasks[i];
        const std::vector<std::size_t> best = choose_each(times[i], 0);
        for (std::size_t size = 0; size < best.size(); ++size) {
            if (best[size] == 0) continue;
            again.push_back({task.what,
                             task.reach,
                             {task.candidates[0], task.candidates[best[size]]},
                             {task.sizes[size]}});
        }
    }
    if (again.empty()) return choice;
    const TaskTimes confirmed = measure(again);
    for (std::size_t i = 0; i < again.size(); ++i) {
        const ScheduleTask& task = again[i];
        if (choose_each(confirmed[i], 0)[0] == 0) continue;
        choice.table.of(task.what, task.reach)[task.sizes[0]] = task.candidates[1];
        choice.changes.push_back(fmt::format(
            "{:<14} {} {:>7}: {:<30} {:.2f} x as fast as {}", schedule::name_of(task.what),
            node::reach_names[static_cast<std::size_t>(task.reach)],
            bytes_text(class_bytes[task.sizes[0]]), text_of(task.candidates[1]),
            confirmed[i][0][0] / confirmed[i][1][0], text_of(task.candidates[0])));
    }
    return choice;
}

}  // namespace onecopy::cli
