#include "cli/bench_p2p_roudi.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <map>
#include <string_view>
#include <vector>

#include "cli/bench_timing.hpp"

namespace onecopy::cli {
namespace {

constexpr const char* program = "iox-roudi";
constexpr std::int64_t start_guard_ns = 20'000'000'000;
constexpr int end_guard_ms = 5'000;
constexpr std::uint64_t header_bytes = 256;  // of a piece, beside the message
constexpr std::uint64_t window = 64;         // messages under way to one peer

/// Sizes and counts of the pieces that it lends.
std::string configuration(int ranks, std::uint64_t area_bytes, std::uint64_t largest) {
    const auto senders = static_cast<std::uint64_t>(ranks);
    std::map<std::uint64_t, std::uint64_t> pools;
    for (std::uint64_t size = 256, last = 0; last < largest; last = size, size *= 4) {
        size = std::max(std::uint64_t{256}, std::min(size, largest));
        // Twice what can be under way: the receiver gives back after the sender has borrowed anew.
        const std::uint64_t of_rank =
            std::clamp(area_bytes / size, std::uint64_t{2}, 2 * window) + 2;
        pools[size + header_bytes] = senders * of_rank;
    }
    std::string text = "[general]\nversion = 1\n\n[[segment]]\n";
    for (const auto& [size, count] : pools) {
        text += fmt::format("\n[[segment.mempool]]\nsize = {}\ncount = {}\n", (size + 31) / 32 * 32,
                            count);
    }
    return text;
}

}  // namespace

RouDi::RouDi(const JobYard& yard, int ranks, std::uint64_t area_bytes, std::uint64_t largest)
    : output_(::memfd_create("onecopy-bench-roudi", MFD_CLOEXEC)) {
    const std::string path = yard.folder() + "/roudi.toml";
    std::ofstream(path) << configuration(ranks, area_bytes, largest);
    // It cleans up behind a SIGTERM, so that is what it gets when we are killed.
    try {
        pid_ = start_process({program, "-c", path, "-k", "1", "-l", "error"}, {}, output_.get(),
                             SIGTERM);
    } catch (const JobLost& lost) {
        throw JobLost(fmt::format("{} (Debian: iceoryx)", lost.what()));
    }
    const std::int64_t deadline = now_ns() + start_guard_ns;
    while (!said("RouDi is ready")) {
        const bool ended = ::waitpid(pid_, nullptr, WNOHANG) == pid_;
        if (ended) pid_ = -1;
        if (ended && said("is RouDi still running")) return;
        if (ended || now_ns() > deadline) {
            end();
            throw JobLost("iox-roudi did not come up; start one by hand to see why");
        }
        ::poll(nullptr, 0, 5);
    }
}

RouDi::~RouDi() { end(); }

void RouDi::end() noexcept {
    if (pid_ < 0) return;
    ::kill(pid_, SIGTERM);
    const std::int64_t deadline = now_ns() + std::int64_t{end_guard_ms} * 1'000'000;
    while (::waitpid(pid_, nullptr, WNOHANG) != pid_) {
        if (now_ns() > deadline) ::kill(pid_, SIGKILL);
        ::poll(nullptr, 0, 5);
    }
    pid_ = -1;
}

bool RouDi::said(std::string_view words) const {
    std::array<char, 4000> text{};
    const ssize_t got = ::pread(output_.get(), text.data(), text.size(), 0);
    const std::string_view all(text.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    return all.find(words) != std::string_view::npos;
}

}  // namespace onecopy::cli
