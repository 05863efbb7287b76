// onecopy mpi: which words are the tool's and which the program's.
#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>

#include "run_onecopy.hpp"

namespace onecopy {
namespace {

using test::run_onecopy;
using test::ToolRun;

/// Status 2, and one line that says `says`.
void expect_refused(const std::vector<std::string>& arguments, const std::string& says) {
    const ToolRun run = run_onecopy(arguments);
    EXPECT_EQ(run.status, 2);
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    EXPECT_NE(run.err.find(says), run.err.npos) << run.err;
}

TEST(MpiCommand, GivesTheProgramItsArgumentsAsTheyAre) {
    const std::vector<std::string> words{"",   "[a,b]", "--",     "x y", "++", "read",
                                         "%%", "\"q\"", "--help", "[]",  "-n", "--report"};
    std::vector<std::string> arguments{"mpi", "--off", "--", "printf", "<%s>"};
    std::string expected;
    for (const std::string& word : words) {
        arguments.push_back(word);
        expected += "<" + word + ">";
    }
    const ToolRun run = run_onecopy(arguments);
    EXPECT_EQ(run.status, 0) << run.err;
    EXPECT_EQ(run.out, expected);
    EXPECT_EQ(run_onecopy({"mpi", "--off", "printf", "<%s>", "[a,b]"}).out, "<[a,b]>");
}

TEST(MpiCommand, NamesTheTwoDashesWhereTheyAreMissing) {
    const std::string says = "-n was not expected; write two dashes in front of the program";
    expect_refused({"mpi", "mpirun", "-n", "2", "x"}, says);
    expect_refused({"mpi", "--off", "mpirun", "x", "-n", "2"}, says);
    expect_refused({"mpi", "--frob", "--", "x"}, "--frob was not expected; write two dashes");
    expect_refused({"mpi"}, "no program given; write it after two dashes");
    expect_refused({"mpi", "--off", "--"}, "no program given; write it after two dashes");
    expect_refused({"mpi", "x", "--", "y"}, "mpi: y was not expected; `onecopy mpi --help`");
}

TEST(MpiCommand, SwitchedOffItSaysThatThereIsNothingToReport) {
    const std::string says = "onecopy: mpi: --report: onecopy is switched off";
    const ToolRun run = run_onecopy({"mpi", "--report", "--off", "--", "sh", "-c", "exit 4"});
    EXPECT_EQ(run.status, 4);
    EXPECT_EQ(run.err.find(says), 0U) << run.err;
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << run.err;
    EXPECT_EQ(run_onecopy({"mpi", "--off", "--", "true"}).err, "");
}

}  // namespace
}  // namespace onecopy
