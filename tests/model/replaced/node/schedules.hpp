// In place of src/node/schedules.hpp: no more than whether it is member 0's.
#pragma once

#include <array>
#include <cstdint>

#include "node/atomic.hpp"

namespace onecopy::node {

struct ScheduleTable {
    Plain<std::uint32_t> number;
};
using Schedules = std::array<ScheduleTable, 2>;

enum class Company : std::uint8_t { two, more };
constexpr Company company_of(int ranks) noexcept {
    return ranks <= 2 ? Company::two : Company::more;
}

}  // namespace onecopy::node
