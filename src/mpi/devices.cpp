#include "mpi/devices.hpp"

#include <link.h>

#include <atomic>
#include <cstring>

namespace onecopy::mpi {

namespace {

constexpr const char* device_libraries[] = {"/libcuda.so", "/libamdhip64.so", "/libze_loader.so"};

/// How many objects had been loaded when the list was last looked through, and what was found.
/// A library that comes and goes has had its chance to hand out memory: once found, always found.
std::atomic<unsigned long long> seen{0};
std::atomic<bool> found{false};

struct Look {
    unsigned long long before;
    unsigned long long now = 0;
};

int look(dl_phdr_info* info, std::size_t size, void* data) {
    auto* state = static_cast<Look*>(data);
    if (size >= offsetof(dl_phdr_info, dlpi_adds) + sizeof info->dlpi_adds) {
        if (info->dlpi_adds == state->before) return 1;  // nothing new: stop at the first object
        state->now = info->dlpi_adds;
    }
    for (const char* library : device_libraries) {
        if (std::strstr(info->dlpi_name, library) != nullptr) found.store(true);
    }
    return 0;
}

}  // namespace

bool device_library_loaded() noexcept {
    if (found.load(std::memory_order_relaxed)) return true;
    Look state{seen.load(std::memory_order_relaxed)};
    ::dl_iterate_phdr(look, &state);
    if (state.now != 0) seen.store(state.now, std::memory_order_relaxed);
    return found.load(std::memory_order_relaxed);
}

}  // namespace onecopy::mpi
