#include "node/launcher.hpp"

#include <array>
#include <charconv>
#include <cstdlib>
#include <cstring>

namespace onecopy::node {

int number_in(const char* text) noexcept {
    if (text == nullptr) return -1;
    int number = -1;
    const char* const end = text + std::strlen(text);
    const auto result = std::from_chars(text, end, number);
    return result.ec == std::errc() && result.ptr == end && number >= 0 ? number : -1;
}

std::optional<LocalPlace> place_by_launcher() noexcept {
    struct Names {
        const char* rank;
        const char* ranks;
    };
    constexpr std::array<Names, 2> launchers{
        {{"MPI_LOCALRANKID", "MPI_LOCALNRANKS"},
         {"OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"}}};
    std::optional<LocalPlace> found;
    for (const Names& names : launchers) {
        const LocalPlace place{number_in(std::getenv(names.rank)),
                               number_in(std::getenv(names.ranks))};
        if (place.rank < 0 || place.rank >= place.ranks) continue;
        if (found && (found->rank != place.rank || found->ranks != place.ranks)) return {};
        found = place;
    }
    return found;
}

bool launched_by_pmix() noexcept {
    const auto is_set = [](const char* name) {
        const char* const value = std::getenv(name);
        return value != nullptr && *value != '\0';
    };
    return is_set("PMIX_NAMESPACE") && is_set("PMIX_RANK");
}

}  // namespace onecopy::node
