#include "os/huge_pages.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace onecopy::os {
namespace {

/// The word in brackets is the one that holds.
bool never(const std::filesystem::path& file) {
    std::ifstream in(file);
    std::string text;
    std::getline(in, text);
    return text.find("[never]") != std::string::npos || text.find("[deny]") != std::string::npos ||
           text.find("[inherit]") != std::string::npos;  // from the one that stands above
}

}  // namespace

bool shared_memory_may_be_huge(const std::string& directory) {
    namespace fs = std::filesystem;
    std::error_code error;
    if (!fs::is_directory(directory, error)) return !fs::is_directory("/sys/kernel/mm", error);
    const fs::path top = fs::path(directory) / "shmem_enabled";
    if (fs::exists(top, error) && !never(top)) return true;
    for (const fs::directory_entry& each : fs::directory_iterator(directory, error)) {
        const fs::path of_size = each.path() / "shmem_enabled";
        if (fs::exists(of_size, error) && !never(of_size)) return true;
    }
    return static_cast<bool>(error);
}

int make_huge(void* address, std::size_t bytes) noexcept {
    // Younger than some headers: MADV_POPULATE_WRITE, MADV_COLLAPSE.
    constexpr int populate_write = 23, collapse = 25;
    const auto start = reinterpret_cast<std::uintptr_t>(address);
    const std::uintptr_t mask = huge_page_bytes - 1;
    const std::uintptr_t first = (start + mask) & ~mask;
    const std::uintptr_t last = (start + bytes) & ~mask;
    if (first >= last) return 0;
    auto* const place = reinterpret_cast<void*>(first);
    // The kernel collapses what holds at least a page, so all is touched first.
    if (::madvise(place, last - first, populate_write) != 0) return errno;
    return ::madvise(place, last - first, collapse) == 0 ? 0 : errno;
}

}  // namespace onecopy::os
