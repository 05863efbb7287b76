// The frame: help, version, and one line for everything that is typed wrong.
#include "cli/tool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "run_onecopy.hpp"

namespace onecopy {
namespace {

using test::run_onecopy;
using test::ToolRun;

/// One line on stderr that begins with the tool's name, nothing on stdout, status 2.
void expect_wrong_input(const std::vector<std::string>& arguments, const std::string& says) {
    const ToolRun run = run_onecopy(arguments);
    std::string asked;
    for (const std::string& argument : arguments) asked += argument + " ";
    EXPECT_EQ(run.status, 2) << asked;
    EXPECT_EQ(run.out, "") << asked;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    EXPECT_EQ(run.err.find("onecopy: "), 0U) << run.err;
    EXPECT_NE(run.err.find(says), std::string::npos) << asked << "gave: " << run.err;
}

TEST(Tool, WithoutACommandItNamesTheHelp) { expect_wrong_input({}, "no command given"); }

TEST(Tool, UnknownCommandsAndOptionsAreNamed) {
    expect_wrong_input({"frobnicate"}, "frobnicate: no such command");
    expect_wrong_input({"reed"}, "did you mean `onecopy read`?");
    expect_wrong_input({"--json", "doctor"}, "--json was not expected before the command");
    expect_wrong_input({"--frobnicate"}, "--frobnicate: no such option");
    expect_wrong_input({"read", "1", "2", "3", "--frobnicate"}, "--frobnicate");
    expect_wrong_input({"maps", "1", "2"}, "2 was not expected");
    expect_wrong_input({"maps", "1", "--", "2"}, "maps: 2 was not expected; `onecopy maps --help`");
}

TEST(Tool, TheNearestCommandIsMeant) {
    expect_wrong_input({"pln"}, "did you mean `onecopy plan`?");  // and "run" is two letters off
    expect_wrong_input({"bench", "colectives"}, "did you mean `onecopy bench collectives`?");
    expect_wrong_input({"bench"}, "bench: no command given; `onecopy bench --help` lists them");
    expect_wrong_input({"bench", "--json", "x"}, "bench: --json: no such option");
    expect_wrong_input({"x"}, "x: no such command; `onecopy --help` lists them");
    expect_wrong_input({"help"}, "help: no such command; `onecopy --help` lists them");
}

TEST(Tool, AFirstWordThatIsNoCommandIsNotPassedOver) {
    expect_wrong_input({"help", "plan"}, "help: no such command");
    expect_wrong_input({""}, "\"\": no such command");
    expect_wrong_input({"", "doctor"}, "\"\": no such command");
}

TEST(Tool, WhatIsWrongWithAnOptionsValueIsSaid) {
    expect_wrong_input({"run", "-n", "2", "-n", "3", "--", "true"},
                       "run: -n: given more than once; give it once");
    expect_wrong_input({"plan", "bcast", "--ranks"}, "plan: --ranks: its value is missing");
    expect_wrong_input({"bench", "p2p", "--repetitions", "many"},
                       "bench p2p: --repetitions \"many\": not a number");
    expect_wrong_input({"bench", "mpi", "--json", ""}, "name one\n");  // nothing behind it
}

TEST(Tool, ControlCharactersOfAnArgumentDoNotMakeMoreLines) {
    expect_wrong_input({"doctor", "1\n2\x1b[2J"}, "PID \"1\\x0a2\\x1b[2J\"");
}

TEST(Tool, AnEmptyWordIsNotTakenForNone) {
    expect_wrong_input({"doctor", ""}, "PID \"\"");
    expect_wrong_input({"bench", "transfer", "--works", ""}, "--works \"\": '' is unknown");
    expect_wrong_input({"bench", "transfer", "--sizes", ""}, "--sizes \"\": '' is no size");
    expect_wrong_input({"bench", "p2p", "--sizes", ""}, "--sizes \"\": '' is no size");
    expect_wrong_input({"bench", "collectives", "--sizes", ""}, "--sizes \"\": '' is no size");
    expect_wrong_input({"bench", "mpi", "--ranks", ""}, "--ranks \"\": '' is no number");
    expect_wrong_input({"run", "-n", "1", "--", ""}, "program \"\": an empty name");
    expect_wrong_input({"heap", "--", ""}, "program \"\": an empty name");
    expect_wrong_input({"mpi", "--", ""}, "program \"\": an empty name");
}

TEST(Tool, MissingArgumentsAreNamed) {
    expect_wrong_input({"read"}, "PID");
    expect_wrong_input({"read", "1", "0x1000"}, "LENGTH");
    expect_wrong_input({"write", "1"}, "ADDRESS");
    expect_wrong_input({"maps"}, "PID");
    expect_wrong_input({"dump", "1"}, "--output");
    expect_wrong_input({"dump", "1", "-o"}, "-o");
    expect_wrong_input({"dump", "1", "-o", ""}, "--output: \"\": an empty name");
    expect_wrong_input({"read", "1", "1", "1", "-o", ""}, "--output: \"\": an empty name");
    expect_wrong_input({"bench", "transfer", "--json", ""}, "--json: \"\": an empty name");
    expect_wrong_input({"bench", "mpi", "--plot", ""}, "--plot: \"\": an empty name");
}

TEST(Tool, ArgumentsThatMakeNoSenseAreNamed) {
    expect_wrong_input({"doctor", "bash"}, "PID \"bash\"");
    expect_wrong_input({"doctor", "-5"}, "-5");
    expect_wrong_input({"maps", "0"}, "PID \"0\"");
    expect_wrong_input({"read", "1", "7ffd20", "64"}, "write 0x7ffd20");
    expect_wrong_input({"read", "1", "0x7ffc", "lots"}, "LENGTH \"lots\"");
    expect_wrong_input({"read", "1", "0xfffffffffffffff0", "64"}, "leaves the address space");
    expect_wrong_input({"read", "1", "1", "1", "--hex", "--raw"}, "--raw");
    expect_wrong_input({"write", "x", "1"}, "PID \"x\"");
    expect_wrong_input({"dump", "99999999999", "-o", "x"}, "PID");
}

TEST(Tool, CommandsWithinACommandAreNamedWithIt) {
    // As `onecopy bench transfer` is: a frame of its own, run in this process.
    const auto complaint = [](std::vector<const char*> arguments) {
        CLI::App app;
        cli::describe_tool(app);
        CLI::App* outer = app.add_subcommand("outer", "A list of its own");
        outer->require_subcommand(1);
        int number = 0;
        outer->add_subcommand("inner", "One of it")->add_option("--number", number);
        arguments.insert(arguments.begin(), "onecopy");
        const int status = 0;
        testing::internal::CaptureStderr();
        EXPECT_EQ(cli::run_tool(app, static_cast<int>(arguments.size()), arguments.data(), status),
                  2);
        return testing::internal::GetCapturedStderr();
    };
    EXPECT_EQ(complaint({"outer"}),
              "onecopy: outer: no command given; `onecopy outer --help` lists them\n");
    EXPECT_EQ(complaint({"outer", "iner"}),
              "onecopy: outer: iner: no such command; did you mean `onecopy outer inner`?\n");
    EXPECT_EQ(complaint({"outer", "--all"}),
              "onecopy: outer: --all: no such option; `onecopy outer --help` lists them\n");
    EXPECT_EQ(
        complaint({"outer", "inner", "--all"}),
        "onecopy: outer inner: --all was not expected; `onecopy outer inner --help` tells how "
        "it is used\n");
    EXPECT_EQ(complaint({"outer", "inner", "--number", "x"}),
              "onecopy: outer inner: --number \"x\": not a number; `onecopy outer inner --help` "
              "tells how it is used\n");
}

TEST(Tool, EveryCommandExplainsItself) {
    const ToolRun tool = run_onecopy({"--help"});
    EXPECT_EQ(tool.status, 0);
    EXPECT_EQ(tool.err, "");
    for (const char* command : {"doctor", "maps", "read", "write", "dump", "bench", "run", "mpi"}) {
        EXPECT_NE(tool.out.find(std::string("\n  ") + command + " "), tool.out.npos) << command;
        const ToolRun run = run_onecopy({command, "--help"});
        EXPECT_EQ(run.status, 0) << command;
        EXPECT_NE(run.out.find(std::string("onecopy ") + command), run.out.npos) << run.out;
    }
}

/// What is listed under "Commands:" of a help.
std::vector<std::string> commands_of(const std::string& help) {
    std::vector<std::string> names;
    std::istringstream lines(help.substr(help.find("\nCommands:\n") + 1));
    std::string line;
    std::getline(lines, line);
    while (std::getline(lines, line) && line.starts_with("  ")) {
        names.push_back(line.substr(2, line.find(' ', 2) - 2));
    }
    return names;
}

std::string as_manuals_spell(std::string text) {
    for (std::size_t at = 0; (at = text.find('-', at)) != text.npos; at += 2) text.insert(at, "\\");
    return text;
}

/// Of each line that explains an option ("  -o,--output FILE  Where ..."): all its names are there,
/// and one of them in the synopsis.
void expect_options_in(const std::string& page, const std::vector<std::string>& command) {
    std::vector<std::string> arguments = command;
    arguments.emplace_back("--help");
    std::istringstream lines(run_onecopy(arguments).out);
    const std::string synopsis = page.substr(0, page.find(".SH DESCRIPTION"));
    int options = 0;
    for (std::string line; std::getline(lines, line);) {
        if (!line.starts_with("  -")) continue;
        ++options;
        bool in_synopsis = line.starts_with("  -h,--help");
        std::istringstream names(line.substr(2, line.find_first_of(" =", 2) - 2));
        for (std::string name; std::getline(names, name, ',');) {
            const std::string spelled = as_manuals_spell(name);
            EXPECT_NE(page.find(spelled), page.npos) << command.back() << ": " << name;
            in_synopsis = in_synopsis || synopsis.find(spelled) != synopsis.npos;
        }
        EXPECT_TRUE(in_synopsis) << command.back() << ": " << line;
    }
    EXPECT_GE(options, 1) << command.back();
}

TEST(Manual, HasEveryCommandAndEveryOption) {
    const std::string manual = ONECOPY_MANUAL;
    const std::string overview = test::file_text(manual + "/onecopy.1");
    const std::vector<std::string> commands = commands_of(run_onecopy({"--help"}).out);
    EXPECT_GE(commands.size(), 11U);
    for (const std::string& command : commands) {
        EXPECT_NE(overview.find("onecopy\\-" + command), overview.npos) << command;
        if (command == "bench") continue;
        expect_options_in(test::file_text(manual + "/onecopy-" + command + ".1"), {command});
    }
}

TEST(Manual, HasEveryBenchWithItsWorksAndWays) {
    const std::string page = test::file_text(std::string(ONECOPY_MANUAL) + "/onecopy-bench.1");
    const std::vector<std::string> benches = commands_of(run_onecopy({"bench", "--help"}).out);
    EXPECT_GE(benches.size(), 6U);
    for (const std::string& bench : benches) {
        EXPECT_NE(page.find("onecopy bench " + bench), page.npos) << bench;
        expect_options_in(page, {"bench", bench});
        for (const char* const option : {"--works", "--ways"}) {
            const std::string line = run_onecopy({"bench", bench, option, "?"}).err;
            const std::string before = "choose from ";
            if (line.find(before) == line.npos) continue;  // ranks has no ways
            std::istringstream names(line.substr(line.find(before) + before.size()));
            for (std::string name; std::getline(names, name, ',');) {
                name.erase(std::min(name.find('\n'), name.size()));
                EXPECT_NE(page.find(as_manuals_spell(name)), page.npos) << bench << ": " << name;
            }
        }
    }
}

TEST(Tool, ItsVersionIsTheProjects) {
    const ToolRun run = run_onecopy({"--version"});
    EXPECT_EQ(run.status, 0);
    EXPECT_EQ(run.out, "onecopy " ONECOPY_VERSION "\n");
}

TEST(Tool, AFullDiskUnderStandardOutputIsAFailureAndNoSilence) {
    test::ToolSetup setup;
    setup.before_exec = [] { test::redirect(1, "/dev/full"); };
    for (const std::vector<std::string>& arguments :
         {std::vector<std::string>{"doctor"},
          {"--help"},
          {"maps", std::to_string(::getpid())},
          {"maps", "--json", std::to_string(::getpid())}}) {
        const ToolRun run = run_onecopy(arguments, setup);
        EXPECT_EQ(run.status, 1) << arguments[0];
        EXPECT_NE(run.err.find("standard output"), run.err.npos) << run.err;
    }
}

}  // namespace
}  // namespace onecopy
