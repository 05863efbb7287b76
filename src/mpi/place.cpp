#include "mpi/place.hpp"

#include <charconv>
#include <cstdlib>
#include <cstring>

namespace onecopy::mpi {

namespace {

/// The first of these variables that is set and not empty.
const char* first_of(const char* (*get)(const char*), std::initializer_list<const char*> names) {
    for (const char* name : names) {
        const char* value = get(name);
        if (value != nullptr && *value != '\0') return value;
    }
    return nullptr;
}

/// A number that is not negative; -1 if the variable is none.
int number(const char* text) {
    if (text == nullptr) return -1;
    int value = -1;
    const char* end = text + std::strlen(text);
    const auto [at, error] = std::from_chars(text, end, value);
    return error == std::errc() && at == end && value >= 0 ? value : -1;
}

}  // namespace

std::optional<Place> place_from_environment(const char* (*get)(const char*)) {
    Place place;
    place.world_rank = number(get("OMPI_COMM_WORLD_RANK"));
    place.world_size = number(get("OMPI_COMM_WORLD_SIZE"));
    place.local_rank = number(get("OMPI_COMM_WORLD_LOCAL_RANK"));
    place.local_size = number(get("OMPI_COMM_WORLD_LOCAL_SIZE"));
    // The name space tells jobs of one launcher apart (a spawned job has its own), the address of
    // the launcher's daemon on this machine tells launchers apart: a namespace is only a hash.
    const char* name_space = first_of(get, {"PMIX_NAMESPACE", "OMPI_MCA_ess_base_jobid"});
    const char* daemon =
        first_of(get, {"PMIX_SERVER_URI41", "PMIX_SERVER_URI4", "PMIX_SERVER_URI3",
                       "PMIX_SERVER_URI21", "PMIX_SERVER_URI2", "OMPI_MCA_orte_local_daemon_uri"});
    const bool sound = place.world_rank >= 0 && place.world_rank < place.world_size &&
                       place.local_rank >= 0 && place.local_rank < place.local_size &&
                       place.local_size <= place.world_size;
    if (!sound || name_space == nullptr || daemon == nullptr) return std::nullopt;
    place.job = std::string(name_space) + '\n' + daemon;
    return place;
}

std::optional<Place> place_from_environment() {
    return place_from_environment(
        [](const char* name) -> const char* { return std::getenv(name); });
}

}  // namespace onecopy::mpi
