// What blocks hold: their own bytes, to the end of malloc_usable_size, through realloc, and zeros
// from calloc whatever was there before.
#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <vector>

#include "check.h"

namespace {

constexpr std::size_t kib = 1024, mib = 1024 * kib;

struct Block {
    unsigned char* bytes;
    std::size_t size;
    unsigned char mark;
};

unsigned char mark_at(unsigned char mark, std::size_t i) {
    return static_cast<unsigned char>(mark + i / 509);
}

Block fill(void* address, unsigned char mark) {
    auto* const bytes = static_cast<unsigned char*>(address);
    CHECK(bytes != nullptr);
    const std::size_t size = malloc_usable_size(bytes);
    for (std::size_t i = 0; i < size; i += 509)
        std::memset(bytes + i, mark_at(mark, i), std::min<std::size_t>(509, size - i));
    return {bytes, size, mark};
}

void check(const Block& block, std::size_t size) {
    for (std::size_t i = 0; i < size; ++i) CHECK(block.bytes[i] == mark_at(block.mark, i));
}

void every_block_is_its_own_to_the_end() {
    std::vector<Block> blocks;
    unsigned char mark = 1;
    for (const std::size_t size : {60 * kib, 64 * kib, 64 * kib + 1, 100 * kib, mib - 1, 3 * mib}) {
        for (std::size_t alignment = 16; alignment <= 8 * mib; alignment *= 4) {
            void* const address = memalign(alignment, size);
            CHECK(reinterpret_cast<std::uintptr_t>(address) % alignment == 0);
            blocks.push_back(fill(address, mark++));
            blocks.push_back(fill(std::malloc(size), mark++));
        }
    }
    std::shuffle(blocks.begin(), blocks.end(), std::mt19937(1));
    while (!blocks.empty()) {
        check(blocks.back(), blocks.back().size);
        std::free(blocks.back().bytes);
        blocks.pop_back();
    }
}

void realloc_keeps_what_was_there() {
    std::mt19937 random(2);
    std::vector<Block> blocks(12);
    for (Block& block : blocks) block = fill(std::malloc(100), 3);
    for (int round = 0; round < 3000; ++round) {
        Block& block = blocks[random() % blocks.size()];
        // Mostly around the threshold, sometimes large, sometimes a little more than before.
        const unsigned kind = random() % 8;
        const std::size_t size = kind == 0   ? random() % (4 * mib) + 1
                                 : kind == 1 ? random() % 1000 + 1
                                 : kind < 4  ? block.size + random() % (8 * kib) + 1
                                             : random() % (256 * kib) + 1;
        const Block before = block;
        block.bytes = static_cast<unsigned char*>(std::realloc(block.bytes, size));
        CHECK(block.bytes != nullptr);
        CHECK(malloc_usable_size(block.bytes) >= size);
        check(block, std::min(size, before.size));
        block = fill(block.bytes, static_cast<unsigned char>(round));
    }
    for (const Block& block : blocks) std::free(block.bytes);
}

void calloc_gives_zeros_after_dirty_use() {
    std::mt19937 random(3);
    for (int round = 0; round < 300; ++round) {
        const std::size_t size = 64 * kib + random() % (2 * mib);
        Block dirty = fill(std::malloc(size), 0xff);
        Block other = fill(std::malloc(size / 2 + 64 * kib), 0xff);
        std::free(dirty.bytes);
        if (round % 2 == 0) std::free(other.bytes);
        // The same size again, one that spans several freed blocks, and a part of one.
        for (const std::size_t wanted : {size, size * 2, size / 2 + 40 * kib}) {
            auto* const zero = static_cast<unsigned char*>(std::calloc(1, wanted));
            CHECK(zero != nullptr);
            CHECK(std::all_of(zero, zero + wanted, [](unsigned char byte) { return byte == 0; }));
            std::memset(zero, 0xff, wanted);
            std::free(zero);
        }
        if (round % 2 != 0) std::free(other.bytes);
    }
}

}  // namespace

int main() {
    every_block_is_its_own_to_the_end();
    realloc_keeps_what_was_there();
    calloc_gives_zeros_after_dirty_use();
    return 0;
}
