// Children by fork(), for tests of what they have of their parent's arenas.
#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <span>
#include <string>

#include "onecopy/arena.hpp"
#include "support/memory.hpp"

namespace onecopy::test {

/// Two processes taking turns: each waits for a byte of the other.
class Turns {
public:
    Turns() {
        if (::pipe2(to_child_, O_CLOEXEC) != 0 || ::pipe2(to_parent_, O_CLOEXEC) != 0) std::abort();
    }
    ~Turns() {
        for (const int fd : {to_child_[0], to_child_[1], to_parent_[0], to_parent_[1]}) ::close(fd);
    }
    Turns(const Turns&) = delete;
    Turns& operator=(const Turns&) = delete;

    void child_goes_on() const { write_to(to_child_[1]); }
    void parent_goes_on() const { write_to(to_parent_[1]); }
    void wait_as_child() const { read_from(to_child_[0]); }
    void wait_as_parent() const { read_from(to_parent_[0]); }

private:
    static void write_to(int fd) {
        if (::write(fd, "x", 1) != 1) std::abort();
    }
    static void read_from(int fd) {
        char byte = 0;
        if (::read(fd, &byte, 1) != 1) std::abort();
    }
    int to_child_[2], to_parent_[2];
};

/// Forks; the child does `work` and exits with its answer.
inline pid_t fork_to(const std::function<int()>& work) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(work());
    return child;
}

/// The exit status, or 1000 and the signal.
inline int status_of(pid_t child) {
    int status = 0;
    if (::waitpid(child, &status, 0) != child) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

inline std::span<std::byte> block_of(Arena& arena, std::size_t bytes) {
    return {static_cast<std::byte*>(arena.allocate(bytes, 64)), bytes};
}

inline bool is_filled(std::span<const std::byte> bytes, unsigned seed) {
    return first_difference(bytes, seed) == bytes.size();
}

inline bool maps_an_arena() {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        if (line.find("onecopy-arena") != std::string::npos) return true;
    }
    return false;
}

}  // namespace onecopy::test
