// onecopy tune: what it makes of the times of collective calls, and that it gets some.
#include "cli/tune_schedules.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdlib>
#include <string>

#include "cli/bench_timing.hpp"
#include "cli/errors.hpp"
#include "schedule/forms.hpp"

namespace onecopy::cli {
namespace {

using node::Company;
using node::Reach;
using node::Schedule;
using schedule::Collective;
using schedule::Form;

/// As fast as each other, but for what `seconds` says.
TaskTimes times_of(
    const std::vector<ScheduleTask>& tasks,
    const std::function<double(const ScheduleTask&, const Schedule&, std::size_t)>& seconds) {
    TaskTimes all;
    for (const ScheduleTask& task : tasks) {
        Times& rows = all.emplace_back();
        for (const Schedule& each : task.candidates) {
            std::vector<double>& row = rows.emplace_back();
            for (const std::size_t size : task.sizes) row.push_back(seconds(task, each, size));
        }
    }
    return all;
}

bool is_allreduce(const ScheduleTask& task, std::size_t size) {
    return task.what == Collective::allreduce && task.reach == Reach::mapped && size == 3;
}

TEST(TuneSchedules, EveryCollectiveAndMemoryAndSizeIsATaskOfPossibleCandidates) {
    for (const Company company : {Company::two, Company::more}) {
        const auto tasks = schedule_tasks(company);
        EXPECT_EQ(tasks.size(), 2 * schedule::collective_names.size());
        const node::Schedules built_in = node::built_in_schedules();
        for (const ScheduleTask& task : tasks) {
            EXPECT_EQ(task.sizes.size(), node::size_classes);
            EXPECT_GE(task.candidates.size(), 3U);
            EXPECT_EQ(task.candidates[0], built_in[static_cast<std::size_t>(company)].of(
                                              task.what, task.reach, 1 << 20));
            for (const Schedule& each : task.candidates) {
                EXPECT_TRUE(schedule::has_form(task.what, each.form));
                EXPECT_FALSE(task.reach == Reach::frames && each.form == Form::push);
            }
        }
    }
}

TEST(TuneSchedules, WhatIsClearlyFasterTwiceIsChosenForItsSizeOnly) {
    const Schedule fast{Form::redundant, 4096};
    const ScheduleChoice choice =
        choose_schedules(Company::two, [&](const std::vector<ScheduleTask>& tasks) {
            return times_of(tasks, [&](const auto& task, const Schedule& each, std::size_t size) {
                return is_allreduce(task, size) && each == fast ? 0.5 : 1.0;
            });
        });
    node::ScheduleTable expected = node::built_in_schedules()[0];
    expected.of(Collective::allreduce, Reach::mapped)[3] = fast;
    EXPECT_EQ(choice.table, expected);
    ASSERT_EQ(choice.changes.size(), 1U);
    for (const char* const part : {"allreduce", "mapped", "1 MiB", "redundant", "2.00 x"}) {
        EXPECT_NE(choice.changes[0].find(part), std::string::npos) << choice.changes[0];
    }
}

TEST(TuneSchedules, WhatTiesOrWasFasterOnceOnlyStaysAsBuiltIn) {
    int asked = 0;
    const ScheduleChoice choice =
        choose_schedules(Company::more, [&](const std::vector<ScheduleTask>& tasks) {
            ++asked;
            return times_of(tasks, [&](const auto& task, const Schedule& each, std::size_t size) {
                const bool standard = each == task.candidates[0];
                if (!is_allreduce(task, size)) return standard ? 1.0 : 0.97;
                return standard || asked == 2 ? 1.0 : 0.5;
            });
        });
    EXPECT_EQ(asked, 2);
    EXPECT_EQ(choice.table, node::built_in_schedules()[1]);
    EXPECT_TRUE(choice.changes.empty());
}

TEST(TuneSchedules, CallsOfEveryKindAreTimed) {
    const std::vector<int> cpus = usable_cpus();
    if (cpus.size() < 2) GTEST_SKIP() << "needs two cores";
    std::vector<ScheduleTask> tasks = schedule_tasks(Company::two);
    for (ScheduleTask& task : tasks) {
        task.candidates.resize(3);
        task.sizes = {0, 1};
    }
    try {
        const TaskTimes times = measure_schedules(std::span(cpus).first(2), tasks);
        ASSERT_EQ(times.size(), tasks.size());
        for (const Times& rows : times) {
            ASSERT_EQ(rows.size(), 3U);
            for (const std::vector<double>& row : rows) {
                ASSERT_EQ(row.size(), 2U);
                for (const double seconds : row) EXPECT_GT(seconds, 1e-7);
            }
        }
    } catch (const Failure& failure) {
        const std::string text = failure.what();
        if (text.find("run it again when less is going on") == text.npos) throw;
        GTEST_SKIP() << text;
    }
}

/// By domains all candidates would be the same. (On one that is no machine no rank could begin.)
TEST(TuneSchedules, AreMeasuredAsOnAMachineWithoutDomains) {
    const std::vector<int> cpus = usable_cpus();
    if (cpus.size() < 2) GTEST_SKIP() << "needs two cores";
    std::vector<ScheduleTask> tasks = schedule_tasks(Company::two);
    tasks.resize(1);
    tasks[0].candidates.resize(2);
    tasks[0].sizes = {0};
    ::setenv("ONECOPY_TOPOLOGY", "none", 1);
    std::string text;
    try {
        EXPECT_EQ(measure_schedules(std::span(cpus).first(2), tasks).size(), 1U);
    } catch (const Failure& failure) {
        text = failure.what();
    }
    EXPECT_STREQ(::getenv("ONECOPY_TOPOLOGY"), "none");
    ::unsetenv("ONECOPY_TOPOLOGY");
    if (text.find("run it again when less is going on") != text.npos) GTEST_SKIP() << text;
    EXPECT_EQ(text, "");
}

}  // namespace
}  // namespace onecopy::cli
