#include "os/regions.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "os/maps.hpp"

namespace onecopy::os {
namespace {

Region region_of(const Map& map) {
    Region region;
    region.begin = map.begin;
    region.end = map.end;
    region.readable = map.readable;
    region.writable = map.writable;
    region.executable = map.executable;
    region.shared = map.shared;
    region.offset = map.offset;
    region.device_major = map.device_major;
    region.device_minor = map.device_minor;
    region.inode = map.inode;
    region.name = map.name;
    return region;
}

/// Hands each line of a file to `visit`, without its newline. The errno, 0 for none.
template <class Visit>
int for_each_line(const std::string& path, Visit&& visit) {
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "re"),
                                                               std::fclose);
    if (!file) return errno;
    char* line = nullptr;
    std::size_t capacity = 0;
    errno = 0;
    for (ssize_t bytes; (bytes = ::getline(&line, &capacity, file.get())) > 0; errno = 0) {
        std::string_view text(line, static_cast<std::size_t>(bytes));
        if (text.back() == '\n') text.remove_suffix(1);
        visit(text);
    }
    const int error = std::ferror(file.get()) != 0 ? errno : 0;
    std::free(line);
    return error;
}

}  // namespace

bool parse_vm_flags(std::string_view line, Region& region) noexcept {
    constexpr std::string_view key = "VmFlags:";
    if (!line.starts_with(key)) return false;
    line.remove_prefix(key.size());
    region.flags_known = true;
    while (line.size() >= 2) {
        if (line.front() == ' ') {
            line.remove_prefix(1);
            continue;
        }
        const std::string_view flag = line.substr(0, 2);
        if (flag == "um") region.uffd_missing = true;
        if (flag == "ui") region.uffd_minor = true;
        if (flag == "uw") region.uffd_write_protect = true;
        if (flag == "io" || flag == "pf") region.device = true;
        if (flag == "ht") region.huge_pages = true;
        line.remove_prefix(2);
    }
    return true;
}

std::vector<Region> read_regions(const std::string& proc_directory, std::error_code& error) {
    std::vector<Region> regions;
    const int number = for_each_line(proc_directory + "/smaps", [&](std::string_view line) {
        Map map;
        if (parse_map(line, map)) {
            regions.push_back(region_of(map));
        } else if (!regions.empty()) {
            parse_vm_flags(line, regions.back());
        }
    });
    if (number == ENOENT) return read_maps(proc_directory, error);
    error.assign(number, std::system_category());
    return regions;
}

std::vector<Region> read_maps(const std::string& proc_directory, std::error_code& error) {
    std::vector<Region> regions;
    const int number = for_each_line(proc_directory + "/maps", [&](std::string_view line) {
        Map map;
        if (parse_map(line, map)) regions.push_back(region_of(map));
    });
    error.assign(number, std::system_category());
    return regions;
}

}  // namespace onecopy::os
