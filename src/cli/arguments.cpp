#include "cli/arguments.hpp"

#include <fmt/format.h>

#include <array>
#include <cctype>
#include <charconv>
#include <limits>

#include "cli/errors.hpp"

namespace onecopy::cli {
namespace {

/// Takes digits off the front of `text`: base 16 after 0x, else 10. False if there are none;
/// `too_large` where they do not fit.
bool take_number(std::string_view& text, std::uint64_t& number, bool& too_large) {
    int base = 10;
    std::string_view digits = text;
    if (digits.starts_with("0x") || digits.starts_with("0X")) {
        base = 16;
        digits.remove_prefix(2);
    }
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), number, base);
    too_large = error == std::errc::result_out_of_range;
    if (error != std::errc{} && !too_large) return false;
    digits.remove_prefix(static_cast<std::size_t>(end - digits.data()));
    text = digits;
    return true;
}

bool looks_hexadecimal(std::string_view text) {
    return !text.empty() && text.find_first_not_of("0123456789abcdefABCDEF") == text.npos;
}

[[noreturn]] void refuse(std::string_view command, std::string_view name, std::string_view text,
                         std::string_view why) {
    throw WrongInput(fmt::format("{}: {} \"{}\": {}", command, name, text, why));
}

/// How far K, M, G, T (KiB, ...) shift; -1 for anything else.
int unit_shift(std::string_view unit) {
    if (unit.empty() || unit == "B" || unit == "b") return 0;
    std::string_view rest = unit.substr(1);
    if (!rest.empty() && rest != "iB" && rest != "ib" && rest != "IB") return -1;
    switch (std::tolower(static_cast<unsigned char>(unit.front()))) {
        case 'k':
            return 10;
        case 'm':
            return 20;
        case 'g':
            return 30;
        case 't':
            return 40;
        default:
            return -1;
    }
}

}  // namespace

int parse_pid(std::string_view command, std::string_view text) {
    int pid = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (error != std::errc{} || end != text.data() + text.size()) {
        refuse(command, "PID", text,
               error == std::errc::result_out_of_range
                   ? "no process has so high a number; `ps` lists them"
                   : "not the number of a process; `pidof NAME` or `pgrep NAME` finds it");
    }
    if (pid < 1) refuse(command, "PID", text, "processes are numbered from 1; `ps` lists them");
    return pid;
}

std::uint64_t parse_address(std::string_view command, std::string_view text) {
    std::uint64_t address = 0;
    bool too_large = false;
    std::string_view rest = text;
    const bool number = take_number(rest, address, too_large);
    if (too_large)
        refuse(command, "ADDRESS", text, "more than 64 bits; give at most 0xffffffffffffffff");
    if (number && rest.empty()) return address;
    if (looks_hexadecimal(text)) {
        refuse(command, "ADDRESS", text,
               fmt::format("not a decimal number; if it is hexadecimal, write 0x{}", text));
    }
    refuse(command, "ADDRESS", text, "not an address; write 0x7ffc1000 or a decimal number");
}

std::uint64_t parse_length(std::string_view command, std::string_view text) {
    std::uint64_t number = 0;
    bool too_large = false;
    std::string_view rest = text;
    const bool starts_well = take_number(rest, number, too_large);
    const int shift = starts_well ? unit_shift(rest) : -1;
    if (shift < 0) {
        refuse(command, "LENGTH", text,
               "not a number of bytes; write 64, 0x40, 16K, 4M or 1G (powers of 1024)");
    }
    if (too_large || number > std::numeric_limits<std::uint64_t>::max() >> shift) {
        refuse(command, "LENGTH", text, "more than 64 bits; give a shorter one");
    }
    return number << shift;
}

void check_range(std::string_view command, std::uint64_t address, std::uint64_t length) {
    if (length <= std::numeric_limits<std::uint64_t>::max() - address) return;
    throw WrongInput(fmt::format(
        "{}: {} from {:#x} on: that leaves the address space; give a lower address or fewer bytes",
        command, bytes_text(length), address));
}

std::string bytes_text(std::uint64_t bytes) {
    constexpr std::array<std::string_view, 6> units{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    if (bytes < 1024) return fmt::format("{} byte{}", bytes, bytes == 1 ? "" : "s");
    std::size_t unit = 0;
    int shift = 10;
    while (unit + 1 < units.size() && bytes >> shift >= 1024) {
        ++unit;
        shift += 10;
    }
    if ((bytes & ((std::uint64_t{1} << shift) - 1)) == 0) {
        return fmt::format("{} {}", bytes >> shift, units[unit]);
    }
    // Off a round number the exact count matters while it is short enough to be read.
    if (bytes < 1'000'000) return fmt::format("{} bytes", bytes);
    return fmt::format("{:.1f} {}",
                       static_cast<double>(bytes) / static_cast<double>(std::uint64_t{1} << shift),
                       units[unit]);
}

}  // namespace onecopy::cli
