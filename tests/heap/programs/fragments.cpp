// A random live set that comes and goes: the memory that the process holds stays close to what is
// live, and once all is freed and the program goes on allocating, it goes back to the system.
#include <unistd.h>

#include <chrono>
#include <cinttypes>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "check.h"

namespace {

constexpr std::size_t kib = 1024, mib = 1024 * kib;

/// Of the arena's memory, by the kernel's own count.
std::size_t resident() {
    std::FILE* const status = std::fopen("/proc/self/status", "r");
    CHECK(status != nullptr);
    char line[256];
    std::size_t found = SIZE_MAX;
    while (std::fgets(line, sizeof line, status) != nullptr) {
        if (std::sscanf(line, "RssShmem: %zu kB", &found) == 1) break;
    }
    std::fclose(status);
    CHECK(found != SIZE_MAX);
    return found * kib;
}

struct Block {
    void* address;
    std::size_t size;
};

}  // namespace

int main() {
    std::mt19937 random(4);
    std::vector<Block> live;
    std::size_t live_bytes = 0, most_live = 0, most_resident = 0;
    constexpr std::size_t aim = 192 * mib;
    for (int round = 0; round < 20000; ++round) {
        if (live_bytes < aim) {
            // Mostly small ones among some large: the worst for whoever looks for a hole.
            const std::size_t size =
                random() % 16 == 0 ? mib + random() % (8 * mib) : 64 * kib + random() % (256 * kib);
            void* const address = std::malloc(size);
            CHECK(address != nullptr);
            for (std::size_t at = 0; at < size; at += 4096) static_cast<char*>(address)[at] = 1;
            live.push_back({address, size});
            live_bytes += size;
            most_live = std::max(most_live, live_bytes);
        } else {
            for (int i = 0; i < 40; ++i) {
                std::swap(live[random() % live.size()], live.back());
                std::free(live.back().address);
                live_bytes -= live.back().size;
                live.pop_back();
            }
        }
        if (round % 1000 == 0) most_resident = std::max(most_resident, resident());
    }
    std::printf("live %zu MiB, resident %zu MiB at the most\n", most_live / mib,
                most_resident / mib);
    CHECK(most_resident >= most_live / 2);          // else nothing of it is in the arena
    CHECK(most_resident <= most_live + 256 * mib);  // what may be kept
    for (const Block& block : live) std::free(block.address);
    // The guard is long; what must happen takes about a second.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (resident() > 2 * mib) {
        CHECK(std::chrono::steady_clock::now() < deadline);
        void* const address = std::malloc(200 * kib);
        std::memset(address, 1, 200 * kib);
        std::free(address);
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return 0;
}
