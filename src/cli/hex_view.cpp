#include "cli/hex_view.hpp"

#include <fmt/format.h>

namespace onecopy::cli {
namespace {

std::string line_text(std::uint64_t address, std::span<const std::byte, 16> cells,
                      std::size_t first, std::size_t last) {
    std::string out = fmt::format("{:012x} ", address);
    std::string text;
    for (std::size_t i = 0; i < cells.size(); ++i) {
        const auto byte = std::to_integer<unsigned char>(cells[i]);
        const bool shown = i >= first && i < last;
        if (i % 8 == 0) out += ' ';
        out += shown ? fmt::format("{:02x} ", byte) : std::string("   ");
        if (i < last) text += !shown ? ' ' : byte >= 0x20 && byte < 0x7f ? char(byte) : '.';
    }
    return out + " |" + text + "|\n";
}

}  // namespace

std::string HexView::add(std::span<const std::byte> bytes) {
    std::string out;
    for (const std::byte byte : bytes) {
        cells_[last_++] = byte;
        if (last_ == cells_.size()) emit(out);
    }
    return out;
}

void HexView::emit(std::string& out) {
    const bool full = first_ == 0;
    if (full && has_before_ && cells_ == before_) {
        if (!starred_) out += "*\n";
        starred_ = true;
    } else {
        out += line_text(line_, cells_, first_, last_);
        starred_ = false;
    }
    before_ = cells_;
    has_before_ = full;
    line_ += cells_.size();
    first_ = last_ = 0;
}

std::string HexView::finish() {
    std::string out;
    if (last_ > first_) {
        out = line_text(line_, cells_, first_, last_);
    } else if (starred_) {
        out = line_text(line_ - cells_.size(), before_, 0, before_.size());
    }
    starred_ = false;
    first_ = last_;
    return out;
}

}  // namespace onecopy::cli
