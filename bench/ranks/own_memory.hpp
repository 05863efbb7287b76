// What memory a process has for itself, by kind. Needs nothing of ours, so that an empty program
// can be asked, too.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <system_error>

#include "cli/bench_ranks_board.hpp"

namespace onecopy::bench {

/// Calls `visit` with each line of a file of /proc. Allocates nothing. Throws std::system_error.
template <class Visit>
void for_each_line(const char* path, Visit&& visit) {
    const os::Fd file(::open(path, O_RDONLY | O_CLOEXEC));
    if (!file) throw std::system_error(errno, std::system_category(), path);
    std::array<char, 8192> text;
    std::size_t held = 0;
    for (;;) {
        const ssize_t got = ::read(file.get(), text.data() + held, text.size() - held);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw std::system_error(errno, std::system_category(), path);
        if (got == 0) return;
        held += static_cast<std::size_t>(got);
        std::string_view left(text.data(), held);
        for (std::size_t end; (end = left.find('\n')) != left.npos; left.remove_prefix(end + 1)) {
            visit(left.substr(0, end));
        }
        if (left.size() == text.size()) left = {};  // a line that is longer: not one of ours
        held = left.size();
        std::memmove(text.data(), left.data(), held);
    }
}

/// The n-th word of a line, from 0; empty if it has fewer.
inline std::string_view word(std::string_view line, int n) noexcept {
    for (;; --n) {
        const std::size_t begin = line.find_first_not_of(" \t");
        if (begin == line.npos) return {};
        line.remove_prefix(begin);
        const std::size_t end = line.find_first_of(" \t");
        if (n == 0) return line.substr(0, end);
        if (end == line.npos) return {};
        line.remove_prefix(end);
    }
}

inline std::uint64_t number(std::string_view text) noexcept {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

/// Private and dirty pages of mappings that are private themselves (a page of a shared one counts
/// where its file is). Source: proc(5), /proc/PID/smaps: "Private_Dirty" in units of 1024 bytes.
inline cli::RankMemory own_private_memory() {
    cli::RankMemory memory;
    std::uint64_t nowhere = 0;
    std::uint64_t* kind = &nowhere;
    for_each_line("/proc/self/smaps", [&](std::string_view line) {
        const std::string_view first = word(line, 0);
        if (first == "Private_Dirty:") {
            *kind += number(word(line, 1)) * 1024;
        } else if (first.find('-') != first.npos && !first.ends_with(':')) {
            const std::string_view rights = word(line, 1);
            const std::string_view name = word(line, 5);
            kind = !rights.ends_with('p')  ? &nowhere
                   : name == "[heap]"      ? &memory.heap
                   : name == "[stack]"     ? &memory.stacks
                   : name.starts_with("/") ? &memory.files
                                           : &memory.anonymous;
        }
    });
    return memory;
}

/// What a file in memory takes, in bytes.
inline std::uint64_t allocated(int fd) {
    struct stat facts {};
    if (::fstat(fd, &facts) != 0) throw std::system_error(errno, std::system_category(), "fstat");
    return static_cast<std::uint64_t>(facts.st_blocks) * 512;
}

}  // namespace onecopy::bench
