// Which schedule a large collective call goes by, in windows of how many bytes: what was found
// fastest, for each collective and each class of sizes.
//
// They are measured by `onecopy tune` as the ways of messages are (ways.hpp). All ranks of a call
// must go by the same, so they go by the table of member 0 of their communicator, which it shows
// them (collectives/board.hpp); those of the other members do not count.
//
// As text a table is written as settings between commas:
//
//   COLLECTIVE-mapped=FORM:WINDOW    on memory that all can map
//   COLLECTIVE-frames=FORM:WINDOW    on memory that they cannot
//
// for all sizes, or one for each class of sizes, six between '/'. FORM: pull, push or redundant
// (schedule/schedule.hpp); where it cannot be had for a call, it is pull. WINDOW: 4K to 64M.
// ONECOPY_SCHEDULES holds such settings, for any number of ranks.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "node/sizes.hpp"
#include "node/ways.hpp"
#include "schedule/names.hpp"

namespace onecopy::node {

struct Schedule {
    schedule::Form form = schedule::Form::pull;
    std::uint32_t window_kib = 64;

    friend bool operator==(const Schedule&, const Schedule&) = default;
};

inline constexpr std::uint64_t least_window = std::uint64_t{4} << 10;
inline constexpr std::uint64_t most_window = std::uint64_t{64} << 20;

/// On which memory a call works.
enum class Reach : std::uint8_t { mapped, frames };
inline constexpr std::array<std::string_view, 2> reach_names{"mapped", "frames"};

/// For a number of ranks. Trivially copyable: it lies in shared memory.
struct ScheduleTable {
    using Sizes = std::array<Schedule, size_classes>;
    std::array<std::array<Sizes, reach_names.size()>, schedule::collective_names.size()> all;

    [[nodiscard]] Sizes& of(schedule::Collective what, Reach reach) noexcept {
        return all[static_cast<std::size_t>(what)][static_cast<std::size_t>(reach)];
    }
    /// `bytes`: of a block, as in schedule::Call.
    [[nodiscard]] const Schedule& of(schedule::Collective what, Reach reach,
                                     std::uint64_t bytes) const noexcept {
        return all[static_cast<std::size_t>(what)][static_cast<std::size_t>(reach)]
                  [size_class(bytes)];
    }
    friend bool operator==(const ScheduleTable&, const ScheduleTable&) = default;
};

/// Two ranks find other things fast than many do.
enum class Company : std::uint8_t { two, more };
inline constexpr std::array<std::string_view, 2> company_names{"two-ranks", "more-ranks"};
using Schedules = std::array<ScheduleTable, company_names.size()>;
constexpr Company company_of(int ranks) noexcept {
    return ranks <= 2 ? Company::two : Company::more;
}

/// Where nothing was measured.
Schedules built_in_schedules() noexcept;
/// All collectives by the same, to compare.
Schedules all_by(Schedule schedule) noexcept;

/// As apply_settings() and settings_text() of ways_file.hpp.
bool apply_settings(std::string_view settings, ScheduleTable& table, std::string_view& wrong);
/// With a collective's two settings in each line, or all in one.
std::string settings_text(const ScheduleTable& table, char between = ',');

}  // namespace onecopy::node
