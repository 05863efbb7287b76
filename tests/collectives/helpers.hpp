// What several tests of collective calls need.
#pragma once

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <span>
#include <string>

#include "node/endpoint.hpp"
#include "onecopy/communicator.hpp"
#include "onecopy/node.hpp"

namespace onecopy::test {

inline Segment bytes_of(auto& list) { return std::as_writable_bytes(std::span(list)); }

/// A word that all ranks of a test see.
class Flag {
public:
    Flag() {
        void* const memory =
            ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) throw std::bad_alloc();
        word_ = new (memory) std::atomic<int>(0);
    }
    ~Flag() { ::munmap(word_, 4096); }
    Flag(const Flag&) = delete;
    Flag& operator=(const Flag&) = delete;

    /// Once or several times; it never goes down.
    void raise(int to = 1) const { *word_ = to; }
    [[nodiscard]] bool is_up(int at_least = 1) const { return *word_ >= at_least; }

private:
    std::atomic<int>* word_;
};

/// Open in this process.
inline std::size_t descriptors() {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}
inline std::size_t mappings() {
    std::ifstream in("/proc/self/maps");
    std::size_t lines = 0;
    for (std::string line; std::getline(in, line);) ++lines;
    return lines;
}

/// Ranks that sleep look around from time to time, rung or not; from now on this one does not.
inline void never_wake_up_by_yourself(Node& node) {
    node.endpoint().watch().set_long_nap(std::chrono::hours(1));
}

/// Sends a word round twice: nobody goes on before all have come. By messages, which need nothing
/// that collective calls do.
inline void meet(Communicator& world) {
    const int size = world.size(), rank = world.rank();
    char word = 0;
    const auto give = [&] {
        world.send(std::as_bytes(std::span(&word, 1)), (rank + 1) % size, 77);
    };
    const auto take = [&] {
        world.recv(std::as_writable_bytes(std::span(&word, 1)), (rank + size - 1) % size, 77);
    };
    for (int round = 0; round < 2; ++round) {
        if (rank == 0) give();
        take();
        if (rank != 0) give();
    }
}

}  // namespace onecopy::test
