#include "cli/line_merger.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace onecopy::cli {

LineMerger::LineMerger(int ranks, bool label) : held_(index(ranks)), label_(label) {}

void LineMerger::take(int rank, std::string_view bytes, std::string& out) {
    std::string& held = held_[index(rank)];
    const std::size_t end = held_.size() == 1 ? bytes.size() : bytes.rfind('\n') + 1;
    if (end > 0) {
        pass(rank, held, out);
        held.clear();
        pass(rank, bytes.substr(0, end), out);
    }
    held += bytes.substr(end);
    if (held.size() > longest_line) {
        show(rank, out);
        cut_ = true;
    }
}

void LineMerger::show(int rank, std::string& out) {
    pass(rank, held_[index(rank)], out);
    held_[index(rank)].clear();
}

void LineMerger::pass(int rank, std::string_view bytes, std::string& out) {
    if (bytes.empty()) return;
    if (within_ >= 0 && within_ != rank && !cut_) out += '\n';
    bool begins = within_ != rank;
    while (!bytes.empty()) {
        const std::size_t end = label_ ? std::min(bytes.find('\n'), bytes.size() - 1) + 1  //
                                       : bytes.size();
        if (label_ && begins) {
            const std::size_t width = fmt::formatted_size("{}", held_.size() - 1);
            fmt::format_to(std::back_inserter(out), "{:>{}}: ", rank, width);
        }
        out += bytes.substr(0, end);
        bytes.remove_prefix(end);
        begins = true;
    }
    within_ = out.back() == '\n' ? -1 : rank;
    cut_ = false;
}

}  // namespace onecopy::cli
