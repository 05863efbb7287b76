#include "cli/progress.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/arguments.hpp"
#include "cli/terminal.hpp"

namespace onecopy::cli {

std::string progress_text(const std::string& title, std::uint64_t done, std::uint64_t total,
                          double seconds) {
    constexpr int cells = 24;
    done = std::min(done, total);
    const double part = total == 0 ? 1.0 : static_cast<double>(done) / static_cast<double>(total);
    const int filled = static_cast<int>(part * cells);
    std::string text = fmt::format("{} [{:=<{}}{:<{}}] {:3.0f} %  {}", title, "", filled, "",
                                   cells - filled, part * 100, bytes_text(done));
    if (seconds > 0.5) {
        const double rate = static_cast<double>(done) / seconds;
        text += fmt::format("  {}/s", bytes_text(static_cast<std::uint64_t>(rate)));
    }
    constexpr std::size_t columns = 78;
    text.resize(std::min(text.size(), columns));
    return text;
}

Progress::Progress(std::string title, std::uint64_t total)
    : title_(std::move(title)), total_(total), terminal_(is_terminal(stderr)) {}

void Progress::update(std::uint64_t done) {
    if (!terminal_) return;
    const Clock::time_point now = Clock::now();
    if (now < next_) return;
    next_ = now + std::chrono::milliseconds(100);
    const std::chrono::duration<double> passed = now - start_;
    tell("\r\x1b[K" + progress_text(title_, done, total_, passed.count()));
    shown_ = true;
}

void Progress::clear() {
    if (shown_) tell("\r\x1b[K");
    shown_ = false;
}

}  // namespace onecopy::cli
