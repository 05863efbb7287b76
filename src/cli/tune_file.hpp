// Keeping what `onecopy tune` has measured.
#pragma once

#include <string>
#include <string_view>

namespace onecopy::cli {

/// Replaces the file at once by another one with this text, readable for its owner; makes the
/// directories that it lies in. Ctrl-C waits meanwhile. Throws Failure; then the old one is as it
/// was, and nothing else is left.
void replace_file(const std::string& path, std::string_view text);

}  // namespace onecopy::cli
