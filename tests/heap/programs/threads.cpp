// Eight threads allocate, resize and free blocks of random sizes, many of them another thread's,
// and check what is in them. With "fork", the process forks all the while, and each child allocates
// and frees.
#include <malloc.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <random>
#include <string_view>
#include <thread>
#include <vector>

#include "check.h"

namespace {

constexpr int threads = 8, rounds = 4000;
constexpr std::size_t kib = 1024;

/// A block carries its own size and mark in front and its mark at the end.
struct Header {
    std::size_t size;
    std::uint64_t mark;
};

void* stamp(void* address, std::size_t size, std::uint64_t mark) {
    CHECK(address != nullptr);
    auto* const bytes = static_cast<unsigned char*>(address);
    const Header header{size, mark};
    std::memcpy(bytes, &header, sizeof header);
    // One byte in each page, so that a page that is anybody else's shows.
    for (std::size_t at = 4096; at < size - 8; at += 4096)
        bytes[at] = static_cast<unsigned char>(mark);
    std::memcpy(bytes + size - 8, &mark, 8);
    return address;
}

Header check(const void* address) {
    Header header;
    const auto* const bytes = static_cast<const unsigned char*>(address);
    std::memcpy(&header, bytes, sizeof header);
    CHECK(header.size >= 64 && header.size < 4096 * kib);
    for (std::size_t at = 4096; at < header.size - 8; at += 4096) {
        CHECK(bytes[at] == static_cast<unsigned char>(header.mark));
    }
    std::uint64_t last = 0;
    std::memcpy(&last, bytes + header.size - 8, 8);
    CHECK(last == header.mark);
    return header;
}

std::array<std::atomic<void*>, 64> shared;

std::size_t some_size(std::mt19937& random) {
    switch (random() % 4) {
        case 0:
            return 64 + random() % 4096;
        case 1:
            return 60 * kib + random() % (10 * kib);
        case 2:
            return 128 * kib;  // often the same
        default:
            return 64 * kib + random() % (1024 * kib);
    }
}

void work(unsigned seed) {
    std::mt19937 random(seed);
    for (int round = 0; round < rounds; ++round) {
        const std::size_t size = some_size(random);
        const std::uint64_t mark = random();
        void* block = nullptr;
        switch (random() % 4) {
            case 0: {
                auto* const zero = static_cast<unsigned char*>(std::calloc(1, size));
                CHECK(zero != nullptr);
                for (std::size_t at = 0; at < size; at += 512) CHECK(zero[at] == 0);
                block = zero;
                break;
            }
            case 1:
                block = memalign(std::size_t{64} << random() % 16, size);
                break;
            default:
                block = std::malloc(size);
        }
        // What stood at that place is ours now, whoever made it.
        void* other = shared[random() % shared.size()].exchange(stamp(block, size, mark));
        if (other == nullptr) continue;
        const Header header = check(other);
        if (random() % 3 == 0) {
            const std::size_t longer = some_size(random);
            other = std::realloc(other, longer);
            CHECK(other != nullptr);
            Header moved;
            std::memcpy(&moved, other, sizeof moved);
            CHECK(moved.size == header.size && moved.mark == header.mark);
        }
        std::free(other);
    }
}

void child() {
    for (int i = 0; i < 20; ++i) {
        void* const a = std::malloc(100 * kib);
        void* const b = std::malloc(100);
        CHECK(a != nullptr && b != nullptr);
        std::free(a);
        std::free(b);
    }
    _exit(0);
}

}  // namespace

int main(int count, char** arguments) {
    const bool forks = count > 1 && std::string_view(arguments[1]) == "fork";
    std::atomic<int> running{threads};
    std::vector<std::thread> workers;
    for (int i = 0; i < threads; ++i) {
        workers.emplace_back([i, &running] {
            work(static_cast<unsigned>(i) + 1);
            --running;
        });
    }
    while (forks && running > 0) {
        const pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) child();
        int status = 0;
        CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    }
    for (std::thread& worker : workers) worker.join();
    for (auto& block : shared) {
        if (block != nullptr) check(block);
        std::free(block);
    }
    return 0;
}
