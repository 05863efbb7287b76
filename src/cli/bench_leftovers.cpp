#include "cli/bench_leftovers.hpp"

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace onecopy::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view memfd = "/memfd:";

bool names_one_of(std::span<const std::uint64_t> inodes, std::uint64_t inode) {
    return inode != 0 && std::find(inodes.begin(), inodes.end(), inode) != inodes.end();
}

bool maps_one_of(const fs::path& process, std::span<const std::uint64_t> inodes) {
    std::ifstream maps(process / "maps");
    for (std::string line; std::getline(maps, line);) {
        if (line.find(memfd) == std::string::npos) continue;
        std::istringstream words(line);
        std::string range, rights, offset, device;
        std::uint64_t inode = 0;
        if (words >> range >> rights >> offset >> device >> inode && names_one_of(inodes, inode)) {
            return true;
        }
    }
    return false;
}

bool has_one_open(const fs::path& process, std::span<const std::uint64_t> inodes) {
    std::error_code ignored;
    for (const fs::directory_entry& entry : fs::directory_iterator(process / "fd", ignored)) {
        const std::string target = fs::read_symlink(entry.path(), ignored).string();
        struct stat facts {};
        if (target.starts_with(memfd) && ::stat(entry.path().c_str(), &facts) == 0 &&
            names_one_of(inodes, facts.st_ino)) {
            return true;
        }
    }
    return false;
}

std::uint64_t shared_memory() {
    std::ifstream facts("/proc/meminfo");
    std::string word;
    std::uint64_t kib = 0;
    while (facts >> word) {
        if (word == "Shmem:" && facts >> kib) return kib * 1024;
    }
    return 0;
}

}  // namespace

std::vector<pid_t> holders_of_memory(std::span<const std::uint64_t> inodes) {
    std::vector<pid_t> holders;
    std::error_code ignored;
    for (const fs::directory_entry& entry : fs::directory_iterator("/proc", ignored)) {
        const std::string name = entry.path().filename().string();
        pid_t pid = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (error != std::errc() || end != name.data() + name.size() || pid == ::getpid()) continue;
        if (maps_one_of(entry.path(), inodes) || has_one_open(entry.path(), inodes)) {
            holders.push_back(pid);
        }
    }
    return holders;
}

std::uint64_t least_shared_memory() {
    constexpr int looks = 20;
    std::uint64_t least = shared_memory();
    for (int i = 1; i < looks; ++i) {
        const timespec pause{0, 10'000'000};
        ::nanosleep(&pause, nullptr);
        least = std::min(least, shared_memory());
    }
    return least;
}

}  // namespace onecopy::cli
