#include "node/schedules.hpp"

#include <cstddef>
#include <optional>

#include "node/settings.hpp"

namespace onecopy::node {
namespace {

using schedule::Collective;
using schedule::Form;

constexpr std::uint32_t kib = 1, mib = 1024;

/// On the first machine that was measured. Two ranks that both reduce do best with as few windows
/// as can be: they wait for each other at each, which costs most where their cores are far apart.
Schedule built_in(Company company, Collective what, Reach reach) noexcept {
    const bool two = company == Company::two;
    const bool scans = what == Collective::scan || what == Collective::exscan;
    if (reach == Reach::mapped) {
        if (scans && two) return {Form::redundant, 256 * kib};
        if (what == Collective::exscan) return {Form::pull, 32 * kib};
        return {scans || what == Collective::reduce_scatter ? Form::pull : Form::push, 1 * mib};
    }
    if (!two) return {Form::pull, 64 * kib};
    if (what == Collective::allreduce) return {Form::redundant, 256 * kib};
    return {scans || what == Collective::reduce ? Form::redundant : Form::pull, 128 * kib};
}

std::optional<Schedule> schedule_of(std::string_view text) {
    const auto form = index_of(schedule::form_names, take_until(text, ':'));
    const auto window = bytes_within(text, least_window, most_window);
    if (!form || static_cast<Form>(*form) == Form::domains || !window || *window % 1024 != 0) {
        return {};
    }
    return Schedule{static_cast<Form>(*form), static_cast<std::uint32_t>(*window >> 10)};
}

bool apply_one(std::string_view setting, ScheduleTable& table) {
    std::string_view value = setting;
    std::string_view name = take_until(value, '=');
    const auto what = index_of(schedule::collective_names, take_until(name, '-'));
    const auto reach = index_of(reach_names, name);
    if (!what || !reach) return false;
    return read_each(value, table.of(static_cast<Collective>(*what), static_cast<Reach>(*reach)),
                     schedule_of);
}

}  // namespace

Schedules built_in_schedules() noexcept {
    Schedules made{};
    for (std::size_t company = 0; company < made.size(); ++company) {
        for (std::size_t what = 0; what < made[company].all.size(); ++what) {
            for (std::size_t reach = 0; reach < reach_names.size(); ++reach) {
                made[company].all[what][reach].fill(built_in(static_cast<Company>(company),
                                                             static_cast<Collective>(what),
                                                             static_cast<Reach>(reach)));
            }
        }
    }
    return made;
}

Schedules all_by(Schedule schedule) noexcept {
    Schedules made{};
    for (ScheduleTable& table : made) {
        for (auto& what : table.all) {
            for (ScheduleTable::Sizes& sizes : what) sizes.fill(schedule);
        }
    }
    return made;
}

bool apply_settings(std::string_view settings, ScheduleTable& table, std::string_view& wrong) {
    while (!settings.empty()) {
        wrong = take_until(settings, ',');
        if (!apply_one(wrong, table)) return false;
    }
    return true;
}

std::string settings_text(const ScheduleTable& table, char between) {
    std::string text;
    for (std::size_t what = 0; what < table.all.size(); ++what) {
        for (std::size_t reach = 0; reach < reach_names.size(); ++reach) {
            if (!text.empty()) text += reach == 0 ? between : ',';
            text += schedule::collective_names[what];
            text += '-';
            text += reach_names[reach];
            text += '=';
            text += each_text(table.all[what][reach], [](const Schedule& each) {
                return std::string(schedule::name_of(each.form)) + ':' +
                       size_text(std::uint64_t{each.window_kib} << 10);
            });
        }
    }
    return text;
}

}  // namespace onecopy::node
