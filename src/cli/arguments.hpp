// Reading what people type for processes, addresses and lengths. All throw WrongInput with a line
// that names the argument.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace onecopy::cli {

/// A process number, 1 or more. `command` is named in the complaint.
int parse_pid(std::string_view command, std::string_view text);

/// An address: decimal, or hexadecimal after 0x.
std::uint64_t parse_address(std::string_view command, std::string_view text);

/// A number of bytes: decimal or 0x..., and K, M, G or T for the powers of 1024 (also KiB, ...).
std::uint64_t parse_length(std::string_view command, std::string_view text);

/// Complains if `length` bytes from `address` on would leave the 64-bit address space.
void check_range(std::string_view command, std::uint64_t address, std::uint64_t length);

/// "4096 bytes", "1 byte", "64 KiB", "1.5 GiB": exact below 1 KiB and for round numbers.
std::string bytes_text(std::uint64_t bytes);

}  // namespace onecopy::cli
