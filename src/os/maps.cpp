#include "os/maps.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <span>
#include <vector>

namespace onecopy::os {
namespace {

/// The argument of PROCMAP_QUERY. Spelled out because Debian 12's headers are older than the call.
/// Source: Linux, include/uapi/linux/fs.h since 6.11 (the layout is kernel ABI).
struct ProcmapQuery {
    std::uint64_t size, query_flags, query_addr;
    std::uint64_t vma_start, vma_end, vma_flags, vma_page_size, vma_offset, inode;
    std::uint32_t dev_major, dev_minor, vma_name_size, build_id_size;
    std::uint64_t vma_name_addr, build_id_addr;
};
constexpr unsigned long procmap_query = _IOWR('f', 17, ProcmapQuery);
constexpr std::uint64_t vma_readable = 1, vma_writable = 2, vma_executable = 4, vma_shared = 8;

/// Takes a number in `base` off the front of `text`, and the one character `after` behind it.
template <class Number>
bool take(std::string_view& text, Number& number, int base, char after) noexcept {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc{} || end == text.data() + text.size() || *end != after) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
    return true;
}

/// Reads a descriptor through `buffer` and hands out its lines; one that is longer than the buffer
/// is cut (only the name stands so far behind).
template <class Visit>
int for_each_line(int fd, std::span<char> buffer,
                  Visit&& visit) noexcept(noexcept(visit(std::string_view{}))) {
    std::size_t have = 0;
    bool cut = false;  // what comes up to the next line's start belongs to a line handed out
    off_t at = 0;
    for (;;) {
        const ssize_t got = ::pread(fd, buffer.data() + have, buffer.size() - have, at);
        if (got < 0) {
            if (errno == EINTR) continue;
            return errno;
        }
        if (got == 0) return 0;
        at += got;
        have += static_cast<std::size_t>(got);
        std::string_view rest(buffer.data(), have);
        for (std::size_t eol = rest.find('\n'); eol != std::string_view::npos;
             eol = rest.find('\n')) {
            if (!cut && !visit(rest.substr(0, eol))) return 0;
            cut = false;
            rest.remove_prefix(eol + 1);
        }
        if (rest.size() == buffer.size()) {
            if (!cut && !visit(rest)) return 0;
            cut = true;
        }
        if (cut) rest = {};
        std::memmove(buffer.data(), rest.data(), rest.size());
        have = rest.size();
    }
}

}  // namespace

bool parse_map(std::string_view line, Map& map) noexcept {
    if (!take(line, map.begin, 16, '-') || !take(line, map.end, 16, ' ')) return false;
    if (line.size() < 5 || line[4] != ' ') return false;
    map.readable = line[0] == 'r';
    map.writable = line[1] == 'w';
    map.executable = line[2] == 'x';
    map.shared = line[3] == 's';
    line.remove_prefix(5);
    if (!take(line, map.offset, 16, ' ') || !take(line, map.device_major, 16, ':') ||
        !take(line, map.device_minor, 16, ' ')) {
        return false;
    }
    const auto [end, error] =
        std::from_chars(line.data(), line.data() + line.size(), map.inode, 10);
    if (error != std::errc{}) return false;
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    map.name = line;
    return true;
}

std::error_code for_each_map(int maps_fd, const std::function<bool(const Map&)>& visit) {
    std::vector<char> buffer(std::size_t{64} << 10);
    const int error = for_each_line(maps_fd, buffer, [&](std::string_view line) {
        Map map;
        return !parse_map(line, map) || visit(map);
    });
    return {error, std::system_category()};
}

int query_map(int maps_fd, std::uint64_t address, Map& map) noexcept {
    ProcmapQuery query{};
    query.size = sizeof query;
    query.query_addr = address;
    if (::ioctl(maps_fd, procmap_query, &query) != 0) return errno;
    map = Map{};
    map.begin = query.vma_start;
    map.end = query.vma_end;
    map.readable = query.vma_flags & vma_readable;
    map.writable = query.vma_flags & vma_writable;
    map.executable = query.vma_flags & vma_executable;
    map.shared = query.vma_flags & vma_shared;
    map.offset = query.vma_offset;
    map.device_major = query.dev_major;
    map.device_minor = query.dev_minor;
    map.inode = query.inode;
    return 0;
}

bool find_map(int maps_fd, std::uint64_t address, Map& map) noexcept {
    const int error = query_map(maps_fd, address, map);
    if (error == 0) return true;
    if (error == ENOENT) return false;  // nothing mapped there; other errors: no such call
    bool found = false;
    std::array<char, 4096> buffer;  // a page is what the kernel gives at a time
    for_each_line(maps_fd, buffer, [&](std::string_view line) noexcept {
        Map at;
        if (!parse_map(line, at) || at.end <= address) return true;
        if (at.begin <= address) {
            map = at;
            map.name = {};
            found = true;
        }
        return false;
    });
    return found;
}

}  // namespace onecopy::os
