// Keeping what `onecopy tune` has measured.
#pragma once

#include <string>
#include <string_view>

namespace onecopy::cli {

/// Makes the directories that the file lies in, and looks whether files may be made there. Throws
/// Failure.
void make_room_for(const std::string& path);

/// Replaces the file at once by another one with this text, readable for its owner, where there is
/// room. Ctrl-C waits meanwhile. Throws Failure; then the old one is as it was, and nothing else is
/// left.
void replace_file(const std::string& path, std::string_view text);

}  // namespace onecopy::cli
