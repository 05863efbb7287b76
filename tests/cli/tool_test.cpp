// The frame: help, version, and one line for everything that is typed wrong.
#include "cli/tool.hpp"

#include <gtest/gtest.h>

#include <algorithm>

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
              "onecopy: outer inner: Could not convert: --number = x; `onecopy outer inner --help` "
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

TEST(Tool, EveryCommandAndEveryOptionHasItsPlaceInTheManual) {
    const std::string manual = ONECOPY_MANUAL;
    const std::string overview = test::file_text(manual + "/onecopy.1");
    for (const std::string command : {"doctor", "maps", "read", "write", "dump", "run"}) {
        EXPECT_NE(overview.find("onecopy\\-" + command), overview.npos) << command;
        const std::string page = test::file_text(manual + "/onecopy-" + command + ".1");
        const std::string help = run_onecopy({command, "--help"}).out;
        for (std::size_t at = 0; (at = help.find("--", at)) != help.npos;) {
            at += 2;
            const std::size_t end = help.find_first_not_of("abcdefghijklmnopqrstuvwxyz", at);
            const std::string option = help.substr(at, end - at);
            EXPECT_NE(page.find("\\-\\-" + option), page.npos) << command << ": --" << option;
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
