// Whether this process may hold memory that only a device can touch.
#pragma once

namespace onecopy::mpi {

/// Whether a library that hands out device memory is loaded: CUDA's, HIP's or Level Zero's driver.
/// A pointer does not tell where it points, and touching the wrong kind is a crash. Cheap when
/// nothing was loaded since the last call. Any thread.
bool device_library_loaded() noexcept;

}  // namespace onecopy::mpi
