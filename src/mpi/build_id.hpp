// Which build of this library this is: ranks with different ones must not work together.
#pragma once

#include <array>
#include <cstddef>

namespace onecopy::mpi {

/// The linker's build id of the object this function is in, filled up with zeros; all zeros if it
/// has none.
std::array<std::byte, 32> build_id() noexcept;

}  // namespace onecopy::mpi
