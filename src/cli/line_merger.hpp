// Many ranks' output in one stream, line by line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace onecopy::cli {

/// Takes what the ranks write as it comes and appends to a stream what can go on, so that no line
/// has another rank's bytes within it; the order within a rank stays. For one thread.
///
/// A line longer than `longest_line` goes on in pieces, between which others' lines can come. Where
/// a rank's output ended, or was to be shown, within a line, what another rank writes next begins a
/// line of its own.
class LineMerger {
public:
    static constexpr std::size_t longest_line = std::size_t{64} << 10;

    /// `label`: each line begins with its rank, right-aligned, as "3: ". A single rank's bytes go
    /// on as they come.
    LineMerger(int ranks, bool label);

    /// What `rank` has written; what can go on now is appended to `out`.
    void take(int rank, std::string_view bytes, std::string& out);

    /// What `rank` has written of a line so far goes on: it has ended, or somebody is to answer it.
    void show(int rank, std::string& out);

    /// Whether it has written a part of a line that did not go on yet.
    [[nodiscard]] bool holds(int rank) const { return !held_[index(rank)].empty(); }

private:
    static std::size_t index(int rank) noexcept { return static_cast<std::size_t>(rank); }
    void pass(int rank, std::string_view bytes, std::string& out);

    std::vector<std::string> held_;
    bool label_;
    int within_ = -1;   // the rank in whose unfinished line the stream stands
    bool cut_ = false;  // ... which is too long, so that it is no line's end for others
};

}  // namespace onecopy::cli
