// The program that `onecopy bench heap` starts: plain C++, plain malloc, no onecopy in it. It is
// told what to do and times it; the bench compares what it says when it runs as it is with what it
// says when another malloc is preloaded.
//
//   onecopy-heap-driver CPU...         the cores to use: its threads in turn (none: unbound)
//
// It reads lines "WORK BYTES ITERATIONS" and answers each with one line "VERIFIED MICROSECONDS": 0
// or 1, and the time of one iteration. It ends with its standard input.
//
//   loop            malloc, write every byte, free
//   touch           malloc, write a byte of every page, free
//   fresh           malloc, write every byte, and keep it: memory that was never used before
//   realloc_double  a block grows from 64 KiB to BYTES by doubling, and every new byte is written
//   realloc_tenth   the same in steps of a tenth
//   update          the words of a block that stays are changed in random order
//   copy            one half of a block that stays is copied over the other
//   threads         two threads do `loop` at once
//   fork            fork and exec of /bin/true, with BYTES of malloc'ed memory touched
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t page = 4096;
constexpr std::size_t first_size = 64U << 10;  // where growing blocks begin

double now_us() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<double>(now.tv_sec) * 1e6 + static_cast<double>(now.tv_nsec) / 1e3;
}

void bind_to(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    ::sched_setaffinity(0, sizeof set, &set);  // where it is refused, measuring goes on unbound
}

/// The compiler must not see that nobody reads what is freed next.
void keep(void* block) { asm volatile("" : : "r"(block) : "memory"); }

struct Outcome {
    bool right = true;
    double us = 0;  ///< of one iteration
};

unsigned char* allocate(std::size_t bytes) {
    auto* const block = static_cast<unsigned char*>(std::malloc(bytes));
    if (block == nullptr) throw std::bad_alloc();
    return block;
}

bool all_are(const unsigned char* bytes, std::size_t count, int value) {
    return std::all_of(bytes, bytes + count, [value](unsigned char byte) { return byte == value; });
}

/// One iteration at a time; what was written last is looked at outside of the clock.
template <class Write, class Check>
Outcome loop(std::size_t bytes, long iterations, Write&& write, Check&& check) {
    const double start = now_us();
    unsigned char* block = nullptr;
    for (long i = 0; i < iterations; ++i) {
        std::free(block);
        block = allocate(bytes);
        write(block, static_cast<int>(i & 0xff));
        keep(block);
    }
    double us = now_us() - start;
    const bool right = check(block, static_cast<int>((iterations - 1) & 0xff));
    const double end = now_us();
    std::free(block);
    us += now_us() - end;
    return {right, us / static_cast<double>(iterations)};
}

Outcome write_all(std::size_t bytes, long iterations) {
    return loop(
        bytes, iterations,
        [bytes](unsigned char* block, int value) { std::memset(block, value, bytes); },
        [bytes](const unsigned char* block, int value) { return all_are(block, bytes, value); });
}

Outcome touch(std::size_t bytes, long iterations) {
    const auto each_page = [bytes](auto&& visit) {
        for (std::size_t at = 0; at < bytes; at += page) visit(at);
    };
    return loop(
        bytes, iterations,
        [&](unsigned char* block, int value) {
            each_page([&](std::size_t at) { block[at] = static_cast<unsigned char>(value); });
        },
        [&](const unsigned char* block, int value) {
            bool right = true;
            each_page([&](std::size_t at) { right = right && block[at] == value; });
            return right;
        });
}

/// What is allocated stays, so that no iteration finds the pages of another.
Outcome fresh(std::size_t bytes, long iterations) {
    static std::vector<unsigned char*> kept;
    kept.reserve(kept.size() + static_cast<std::size_t>(iterations));
    const double start = now_us();
    for (long i = 0; i < iterations; ++i) {
        kept.push_back(allocate(bytes));
        std::memset(kept.back(), 1, bytes);
    }
    const double us = now_us() - start;
    return {all_are(kept.back(), bytes, 1), us / static_cast<double>(iterations)};
}

/// A block that stays from one line to the next of the same size: its pages lie where they lie.
class Lasting {
public:
    static constexpr int first_value = 1;

    explicit Lasting(std::size_t bytes) : bytes_(bytes), block_(allocate(bytes)) {
        std::memset(block_, first_value, bytes);
    }
    Lasting(const Lasting&) = delete;
    Lasting& operator=(const Lasting&) = delete;
    ~Lasting() { std::free(block_); }

    static Lasting& of(std::size_t bytes) {
        static std::unique_ptr<Lasting> one;
        if (!one || one->bytes_ != bytes) one = std::make_unique<Lasting>(bytes);
        return *one;
    }

    /// Random words of the block are changed, each once, until all have been.
    void update() {
        const std::size_t count = std::bit_floor(bytes_ / sizeof(std::uint64_t));
        if (count == 0) return;
        auto* const words = reinterpret_cast<std::uint64_t*>(block_);
        const std::size_t mask = count - 1;
        const auto half = static_cast<unsigned>(std::bit_width(mask)) / 2;
        std::size_t state = 0;
        for (std::size_t i = 0; i < count; ++i) {
            // Modulo a power of two this generator comes to every number, and so does what the
            // shift makes of it.
            state = (state * 1664525U + 1013904223U) & mask;
            const std::size_t at = state ^ (state >> half);
            words[at] = ~words[at];
        }
        changed_ = count * sizeof *words;
        value_ = ~value_ & 0xff;
    }

    /// The first half is copied over the second.
    void copy() {
        std::memcpy(block_ + bytes_ / 2, block_, bytes_ / 2);
        keep(block_);
        changed_ = bytes_ / 2 * 2;
    }

    void spoil_second_half() { std::memset(block_ + bytes_ / 2, 0, bytes_ / 2); }

    [[nodiscard]] bool right() const { return all_are(block_, changed_, value_); }

private:
    std::size_t bytes_;
    unsigned char* block_;
    std::size_t changed_ = 0;
    int value_ = first_value;
};

Outcome update(std::size_t bytes, long iterations) {
    Lasting& block = Lasting::of(bytes);
    const double start = now_us();
    for (long i = 0; i < iterations; ++i) block.update();
    const double us = now_us() - start;
    return {block.right(), us / static_cast<double>(iterations)};
}

Outcome copy(std::size_t bytes, long iterations) {
    Lasting& block = Lasting::of(bytes);
    block.spoil_second_half();
    const double start = now_us();
    for (long i = 0; i < iterations; ++i) block.copy();
    const double us = now_us() - start;
    return {block.right(), us / static_cast<double>(iterations)};
}

/// `next(size)`: how large the block is to be after `size`.
template <class Next>
Outcome grow(std::size_t bytes, long iterations, Next&& next) {
    Outcome outcome;
    for (long i = 0; i < iterations; ++i) {
        const double start = now_us();
        std::size_t size = std::min(first_size, bytes);
        unsigned char* block = allocate(size);
        std::memset(block, 1, size);
        while (size < bytes) {
            const std::size_t larger = std::min(next(size), bytes);
            auto* const moved = static_cast<unsigned char*>(std::realloc(block, larger));
            if (moved == nullptr) throw std::bad_alloc();
            block = moved;
            std::memset(block + size, 1, larger - size);
            size = larger;
        }
        keep(block);
        const double grown = now_us();
        outcome.right = outcome.right && all_are(block, bytes, 1);
        const double checked = now_us();
        std::free(block);
        outcome.us += grown - start + (now_us() - checked);
    }
    outcome.us /= static_cast<double>(iterations);
    return outcome;
}

/// From the first start to the last end.
Outcome threads(std::size_t bytes, long iterations, const std::vector<int>& cpus) {
    constexpr int count = 2;
    std::atomic<int> ready{0};
    struct Part {
        double begin = 0;
        double end = 0;
        bool right = true;
    };
    std::vector<Part> parts(count);
    std::vector<std::thread> running;
    for (std::size_t i = 0; i < count; ++i) {
        running.emplace_back([&, i] {
            if (!cpus.empty()) bind_to(cpus[i % cpus.size()]);
            ready.fetch_add(1);
            while (ready.load() < count) ::sched_yield();
            parts[i].begin = now_us();
            parts[i].right = write_all(bytes, iterations).right;
            parts[i].end = now_us();
        });
    }
    for (std::thread& thread : running) thread.join();
    const double begin = std::min(parts[0].begin, parts[1].begin);
    const double end = std::max(parts[0].end, parts[1].end);
    return {parts[0].right && parts[1].right, (end - begin) / static_cast<double>(iterations)};
}

/// Blocks that stay: a process that forks has memory that it uses.
class Ballast {
public:
    void grow_to(std::size_t bytes) {
        while (held_ < bytes) {
            const std::size_t size = std::min(block_bytes, bytes - held_);
            blocks_.push_back(allocate(size));
            std::memset(blocks_.back(), 1, size);
            held_ += size;
        }
    }

    /// The parent's own memory after its children.
    [[nodiscard]] bool intact() const {
        return std::all_of(blocks_.begin(), blocks_.end(),
                           [](const unsigned char* block) { return block[0] == 1; });
    }

private:
    static constexpr std::size_t block_bytes = 64U << 20;
    std::vector<unsigned char*> blocks_;
    std::size_t held_ = 0;
};

Outcome fork_and_exec(std::size_t bytes, long iterations) {
    static Ballast ballast;
    ballast.grow_to(bytes);
    Outcome outcome;
    const double start = now_us();
    for (long i = 0; i < iterations; ++i) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::execl("/bin/true", "true", static_cast<char*>(nullptr));
            ::_exit(1);
        }
        int status = -1;
        if (pid > 0) ::waitpid(pid, &status, 0);
        outcome.right = outcome.right && status == 0;
    }
    outcome.us = (now_us() - start) / static_cast<double>(iterations);
    outcome.right = outcome.right && ballast.intact();
    return outcome;
}

Outcome run(std::string_view work, std::size_t bytes, long iterations,
            const std::vector<int>& cpus) {
    if (work == "loop") return write_all(bytes, iterations);
    if (work == "touch") return touch(bytes, iterations);
    if (work == "fresh") return fresh(bytes, iterations);
    if (work == "realloc_double") {
        return grow(bytes, iterations, [](std::size_t size) { return 2 * size; });
    }
    if (work == "realloc_tenth") {
        return grow(bytes, iterations, [](std::size_t size) { return size + size / 10; });
    }
    if (work == "update") return update(bytes, iterations);
    if (work == "copy") return copy(bytes, iterations);
    if (work == "threads") return threads(bytes, iterations, cpus);
    if (work == "fork") return fork_and_exec(bytes, iterations);
    std::fprintf(stderr, "onecopy-heap-driver: %.*s is no work\n", static_cast<int>(work.size()),
                 work.data());
    std::exit(2);
}

}  // namespace

int main(int count, char** arguments) {
    std::vector<int> cpus;
    for (int i = 1; i < count; ++i) cpus.push_back(std::atoi(arguments[i]));
    if (!cpus.empty()) bind_to(cpus.front());
    char work[32];
    std::size_t bytes = 0;
    long iterations = 0;
    while (std::scanf("%31s %zu %ld", work, &bytes, &iterations) == 3 && iterations > 0) {
        try {
            const Outcome outcome = run(work, bytes, iterations, cpus);
            std::printf("%d %.4f\n", outcome.right ? 1 : 0, outcome.us);
            std::fflush(stdout);
        } catch (const std::bad_alloc&) {
            std::fprintf(stderr, "onecopy-heap-driver: no memory for %zu bytes\n", bytes);
            return 1;
        }
    }
    return 0;
}
