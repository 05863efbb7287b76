// A call as it was made here, and what is wrong with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <system_error>

#include "collectives/call.hpp"

namespace onecopy::collectives {

/// `error`: something is, that can be seen here. Such a call is not left out, since the others
/// would wait for it: they are told.
struct Prepared {
    Call call;
    std::error_code error;
    /// A v-collective: the blocks have different sizes, which not all ranks know.
    bool by_parts = false;
    Parts from_parts{}, to_parts{};
    std::size_t from_bytes = 0, to_bytes = 0;
};

}  // namespace onecopy::collectives
