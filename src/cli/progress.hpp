// A bar on stderr for work that takes a while; silent where stderr is no terminal.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace onecopy::cli {

/// The bar's text at `done` of `total` bytes after `seconds`: 78 columns at the most.
std::string progress_text(const std::string& title, std::uint64_t done, std::uint64_t total,
                          double seconds);

class Progress {
public:
    Progress(std::string title, std::uint64_t total);
    ~Progress() { clear(); }
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    /// Redraws at most some ten times a second.
    void update(std::uint64_t done);

    /// Takes the bar off the screen.
    void clear();

private:
    using Clock = std::chrono::steady_clock;

    std::string title_;
    std::uint64_t total_;
    bool shown_ = false;
    bool terminal_;
    Clock::time_point start_ = Clock::now();
    Clock::time_point next_ = start_;
};

}  // namespace onecopy::cli
