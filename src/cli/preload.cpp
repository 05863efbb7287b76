#include "cli/preload.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "cli/errors.hpp"

namespace onecopy::cli {

std::vector<std::string> program_words(std::string_view command, std::string_view usage,
                                       const CLI::Option& program, std::vector<std::string> rest) {
    const bool dashes = !rest.empty() && rest.front() == "--";
    if (dashes) rest.erase(rest.begin());
    const auto option = std::find_if(rest.begin(), rest.end(),
                                     [](const std::string& word) { return word.starts_with('-'); });
    if (!dashes && option != rest.end()) {  // ours or the program's?
        throw WrongInput(
            fmt::format("{}: {} was not expected; write two dashes in front of the program: {}",
                        command, *option, usage));
    }
    if (program.count() == 0) {
        throw WrongInput(
            fmt::format("{}: no program given; write it after two dashes: {}", command, usage));
    }
    rest.insert(rest.begin(), program.as<std::string>());
    if (rest.front().empty()) {
        throw WrongInput(fmt::format(
            "{}: program \"\": an empty name is no program's; name one: {}", command, usage));
    }
    return rest;
}

std::string preloaded_library(std::string_view command, const char* name, std::string_view needs) {
    const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
    const std::filesystem::path prefix = self.parent_path().parent_path();
    const std::array candidates{prefix / "lib" / name,
                                prefix / ONECOPY_INSTALL_LIBDIR / "onecopy" / name,
                                prefix / "lib" / "onecopy" / name};
    for (const std::filesystem::path& candidate : candidates) {
        if (std::filesystem::exists(candidate)) return candidate.string();
    }
    throw Failure(fmt::format("{}: find {} for {}: not built or not installed; build onecopy {}",
                              command, name, self.string(), needs));
}

std::string preload_of(std::string_view command, const std::string& library,
                       const char* preloaded) {
    // The dynamic loader splits the list at spaces and colons.
    if (library.find_first_of(" :") != std::string::npos) {
        throw Failure(
            fmt::format("{}: preload {}: its path has a space or a colon, which the dynamic loader "
                        "takes for the end of a name; install it elsewhere",
                        command, library));
    }
    return preloaded != nullptr && *preloaded != '\0' ? library + " " + preloaded : library;
}

}  // namespace onecopy::cli
