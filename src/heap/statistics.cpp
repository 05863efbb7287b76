#include "heap/statistics.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <string_view>

#include "heap/say.hpp"

namespace onecopy::heap {
namespace {

/// "12.5 MiB".
struct Size {
    char text[32];
    explicit Size(std::uint64_t bytes) noexcept {
        static constexpr const char* units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
        auto value = static_cast<double>(bytes);
        std::size_t unit = 0;
        for (; value >= 1024 && unit < 4; ++unit) value /= 1024;
        std::snprintf(text, sizeof text, value < 100 && unit > 0 ? "%.1f %s" : "%.0f %s", value,
                      units[unit]);
    }
};

struct Blocks {
    char text[32];
    explicit Blocks(std::uint64_t count) noexcept {
        std::snprintf(text, sizeof text, "%llu block%s", static_cast<unsigned long long>(count),
                      count == 1 ? "" : "s");
    }
};

}  // namespace

const char* text_of(Reason reason) noexcept {
    switch (reason) {
        case Reason::no_headroom:
            return "no headroom, or no room in the arena";
        case Reason::limits:
            return "limits of the process (ulimit -v, -f or -n)";
        case Reason::another_malloc:
            return "another malloc is in the process";
        case Reason::no_arena:
            break;
    }
    return "no arena could be made";
}

void Statistics::count_in_use(std::size_t more) noexcept {
    const std::uint64_t now = in_use_.fetch_add(more, std::memory_order_relaxed) + more;
    std::uint64_t most = most_in_use_.load(std::memory_order_relaxed);
    while (now > most &&
           !most_in_use_.compare_exchange_weak(most, now, std::memory_order_relaxed)) {
    }
}

void Statistics::count_handed_out(std::size_t bytes) noexcept {
    arena_.add(bytes);
    count_in_use(bytes);
}

void Statistics::passed_on(Reason reason, std::size_t bytes) noexcept {
    if (on_) passed_[static_cast<std::size_t>(reason)].add(bytes);
}

void Statistics::start_over() noexcept {
    const auto clear = [](Count& count) {
        count.blocks = 0;
        count.bytes = 0;
    };
    clear(arena_);
    for (Count& count : passed_) clear(count);
    most_in_use_ = in_use_.load();
    returned_ = 0;
}

void Statistics::tell(std::size_t threshold_bytes) const noexcept {
    const char* const name = ::program_invocation_short_name;
    const int pid = ::getpid();
    bool any = false;
    for (std::size_t i = 0; i < reasons; ++i) {
        const std::uint64_t blocks = passed_[i].blocks.load();
        if (blocks == 0) continue;
        any = true;
        say("onecopy: heap: %s (%d): %s, %s, from the next malloc: %s\n", name, pid,
            Blocks(blocks).text, Size(passed_[i].bytes.load()).text,
            text_of(static_cast<Reason>(i)));
    }
    const std::uint64_t blocks = arena_.blocks.load();
    if (blocks == 0 && most_in_use_.load() == 0) {
        if (!any) {
            say("onecopy: heap: %s (%d): no block of %s or more was asked for\n", name, pid,
                Size(threshold_bytes).text);
        }
        return;
    }
    say("onecopy: heap: %s (%d): %s, %s, from the arena; at the most %s at a time; %s returned to "
        "the system\n",
        name, pid, Blocks(blocks).text, Size(arena_.bytes.load()).text,
        Size(most_in_use_.load()).text, Size(returned_.load()).text);
}

}  // namespace onecopy::heap
