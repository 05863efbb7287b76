// Starting programs with a library of ours preloaded: what `onecopy mpi` and `onecopy heap` share.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace onecopy::cli {

/// The program and its arguments exactly as they were given: for a command with prefix_command()
/// and the positional `program`, whose parser stops at the first word behind the program. `rest`:
/// what it left, beginning with the two dashes if they came first. `usage`: an example for who
/// forgot them. Throws WrongInput where a word could be ours or the program's, or there is none.
std::vector<std::string> program_words(std::string_view command, std::string_view usage,
                                       const CLI::Option& program, std::vector<std::string> rest);

/// The library of that file name which belongs to this tool: beside it in a build, or where it was
/// installed. `needs`: what must be there for it to be built, for the message. Throws Failure if
/// there is none.
std::string preloaded_library(std::string_view command, const char* name, std::string_view needs);

/// `library` in front of what the user preloads already (null or empty: nothing). Throws Failure if
/// the loader could not take its path.
std::string preload_of(std::string_view command, const std::string& library, const char* preloaded);

}  // namespace onecopy::cli
