// In place of pmix.cpp where PMIx's header was missing.
#include <system_error>

#include "node/pmix.hpp"
#include "onecopy/error.hpp"

namespace onecopy::node {

JoinedByPmix join_by_pmix(std::string_view, std::chrono::milliseconds) {
    throw std::system_error(
        Errc::no_job,
        "onecopy: join a job by PMIx: this libonecopy was built without PMIx; build it where "
        "pkg-config finds pmix, or give all ranks a key");
}

}  // namespace onecopy::node
