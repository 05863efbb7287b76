#include "cli/tool.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <exception>
#include <new>
#include <numeric>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "cli/errors.hpp"
#include "cli/output.hpp"
#include "cli/terminal.hpp"

namespace onecopy::cli {
namespace {

constexpr int status_failed = 1;
constexpr int status_wrong_input = 2;

constexpr std::string_view tool_footer =
    "`onecopy COMMAND --help` tells more about a command, `man onecopy` about all of it.\n"
    "\n"
    "Examples:\n"
    "  onecopy doctor                      what works on this machine\n"
    "  onecopy doctor 4711                 can I reach process 4711, and if not, why?\n"
    "  onecopy maps 4711                   what is mapped where\n"
    "  onecopy read 4711 0x7ffc1000 64     64 bytes of it, as hex and text\n"
    "  onecopy dump 4711 -o core.4711      all of it, for gdb\n"
    "\n"
    "Exit status: 0 done; 1 refused or incomplete (one line on stderr says why); 2 wrong input.\n";

/// The command that was being parsed, of those within commands the innermost.
struct Asked {
    const CLI::App* command;  ///< the tool itself if none was named
    std::string name;         ///< as the user typed it, "bench transfer"
};

Asked asked(const CLI::App& app) {
    Asked found{&app, {}};
    for (;;) {
        const std::vector<CLI::App*> inner = found.command->get_subcommands();
        if (inner.empty()) return found;
        found.command = inner.front();
        found.name += (found.name.empty() ? "" : " ") + found.command->get_name();
    }
}

std::string first_line(std::string text) {
    text.erase(std::min(text.find('\n'), text.size()));
    return text;
}

/// How many letters must be changed, added or left out to make one word of the other.
std::size_t letters_apart(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t changed = diagonal + (a[i] == b[j] ? 0 : 1);
            diagonal = row[j + 1];
            row[j + 1] = std::min({changed, diagonal + 1, row[j] + 1});
        }
    }
    return row.back();
}

/// What to do about a word that is no command.
std::string advice(const CLI::App& within, const std::string& name, const std::string& word,
                   const std::string& help) {
    constexpr std::size_t near_enough = 2;
    const CLI::App* nearest = nullptr;
    std::size_t least = near_enough + 1;
    if (word != "help") {  // it is near to "heap"
        for (const CLI::App* command :
             within.get_subcommands([](const CLI::App*) { return true; })) {
            const std::size_t apart = letters_apart(word, command->get_name());
            if (apart >= least || apart >= word.size()) continue;
            nearest = command;
            least = apart;
        }
    }
    if (nearest == nullptr) return help + " lists them";
    return fmt::format("did you mean `onecopy {}{}`?", name.empty() ? "" : name + " ",
                       nearest->get_name());
}

/// A first word that is neither a command nor an option. What stands behind it says nothing, even
/// where it would be a command: `onecopy help plan`.
void refuse_unknown_command(const CLI::App& app, std::span<const char* const> typed) {
    if (typed.empty() || typed.front()[0] == '-') return;
    const std::string word = typed.front();
    const auto is_it = [&](const CLI::App* command) { return command->check_name(word); };
    if (!app.get_subcommands(is_it).empty()) return;
    throw WrongInput(fmt::format("{}: no such command; {}", word.empty() ? "\"\"" : word,
                                 advice(app, {}, word, "`onecopy --help`")));
}

/// What the library says of an option's value, in words of those who type it.
std::string explain_value(const CLI::ParseError& error, const std::string& help) {
    const std::string text = first_line(error.what());
    const std::string option = text.substr(0, text.find(':'));
    if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
        if (text.find(": At Most 1 ") != std::string::npos) {
            return option + ": given more than once; give it once";
        }
        if (text.ends_with(" missing")) {
            return fmt::format("{}: its value is missing; {} tells how it is used", option, help);
        }
    }
    constexpr std::string_view unconverted = "Could not convert: ";  // "... --rounds = many"
    if (const std::size_t value = text.find(" = "); text.starts_with(unconverted)) {
        return fmt::format("{} \"{}\": not a number; {} tells how it is used",
                           text.substr(unconverted.size(), value - unconverted.size()),
                           value == std::string::npos ? std::string() : text.substr(value + 3),
                           help);
    }
    if (dynamic_cast<const CLI::ValidationError*>(&error) != nullptr) return text;  // by us
    return fmt::format("{}; {} tells how it is used", text, help);
}

/// The library's message in our form. Its own ends in a usage text or in hints for programmers.
/// `typed`: the words behind the tool's name.
std::string explain(const CLI::App& app, const CLI::ParseError& error,
                    std::span<const char* const> typed) {
    const Asked at = asked(app);
    const std::string prefix = at.name.empty() ? std::string() : at.name + ": ";
    const std::string help =
        fmt::format("`onecopy {}--help`", at.name.empty() ? "" : at.name + " ");
    const std::vector<std::string> rest = at.command->remaining();
    const std::string first = rest.empty() ? std::string() : rest.front();
    if (at.command->get_require_subcommand_min() > 0) {  // the list of commands was not left
        if (first.empty()) return fmt::format("{}no command given; {} lists them", prefix, help);
        if (first.starts_with('-')) {
            return fmt::format("{}{}: no such option; {} lists them", prefix, first, help);
        }
        return fmt::format("{}{}: no such command; {}", prefix, first,
                           advice(*at.command, at.name, first, help));
    }
    if (dynamic_cast<const CLI::ExtrasError*>(&error) == nullptr) {
        return prefix + explain_value(error, help);
    }
    const std::vector<std::string> outside = app.remaining();
    const std::string word = !first.empty()     ? first
                             : !outside.empty() ? outside.front()
                                                : std::string("an argument");
    const auto place = [&](std::string_view which) {
        return std::find(typed.begin(), typed.end(), which);
    };
    if (first.empty() && place(word) < place(app.get_subcommands().front()->get_name())) {
        return fmt::format("{}{} was not expected before the command; write it behind it", prefix,
                           word);
    }
    return fmt::format("{}{} was not expected; {} tells how it is used", prefix, word, help);
}

/// All commands in one list, however they were added.
void group_commands(CLI::App& app) {
    for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; })) {
        command->group("Commands");
        group_commands(*command);
    }
}

int complain(std::string_view line, int status) {
    tell(fmt::format("onecopy: {}\n", printable(line)));  // one line, whatever was typed
    return status;
}

/// What was printed must have arrived: a full disk shows only when the buffer is flushed. `error`:
/// why printing stopped before that, if it is known.
int flush_output(int status, int error = 0) {
    if (std::fflush(stdout) != 0 && error == 0) error = errno;
    if (error == 0 && std::ferror(stdout) == 0) return status;
    return complain(
        "print the result: " + write_refusal("standard output", 0, error != 0 ? error : EIO),
        status_failed);
}

}  // namespace

void describe_tool(CLI::App& app) {
    app.name("onecopy");
    app.description(
        "Reads, writes and examines the memory of other processes of this machine, with a single\n"
        "copy and exact byte counts, and tells what stands in the way where it cannot.\n");
    app.set_version_flag("--version", "onecopy " ONECOPY_VERSION, "Print the version and exit");
    app.set_help_flag("-h,--help", "Print this help and exit");
    app.footer(std::string(tool_footer));
    app.require_subcommand(1);
    app.get_formatter()->column_width(26);
    app.get_formatter()->label("OPTIONS", "OPTION...");
    app.get_formatter()->label("SUBCOMMAND", "COMMAND [ARGUMENT...]");
    app.get_formatter()->label("Positionals", "Arguments");
    app.get_formatter()->label("REQUIRED", "");
}

CLI::App& add_command(CLI::App& app, const std::string& name, const std::string& summary,
                      const std::string& help) {
    CLI::App& command = *app.add_subcommand(name, summary);
    command.footer(help);
    return command;
}

CLI::Validator names_a_file() {
    const auto refuse = [](const std::string& name) {
        return name.empty() ? std::string("\"\": an empty name is no file's; name one")
                            : std::string();
    };
    return CLI::Validator(refuse, "");
}

int run_tool(CLI::App& app, int argc, const char* const* argv, const int& exit_status) {
    group_commands(app);
    const std::span<const char* const> typed(argv + std::min(argc, 1), argv + argc);
    try {
        refuse_unknown_command(app, typed);
        app.parse(argc, argv);
        return flush_output(exit_status);
    } catch (const CLI::Success& asked_for_text) {  // --help, --version
        app.exit(asked_for_text);
        return flush_output(0);
    } catch (const CLI::ParseError& error) {
        return complain(explain(app, error, typed), status_wrong_input);
    } catch (const WrongInput& error) {
        return complain(error.what(), status_wrong_input);
    } catch (const Failure& error) {
        std::fflush(stdout);
        return complain(error.what(), status_failed);
    } catch (const std::bad_alloc&) {
        return complain(asked(app).name + ": out of memory; free some and try again",
                        status_failed);
    } catch (const std::exception& error) {
        if (std::ferror(stdout) != 0) {  // fmt throws then
            const auto* why = dynamic_cast<const std::system_error*>(&error);
            return flush_output(status_failed, why != nullptr ? why->code().value() : 0);
        }
        return complain(fmt::format("{}: {}", asked(app).name, error.what()), status_failed);
    }
}

}  // namespace onecopy::cli
