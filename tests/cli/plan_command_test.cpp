// onecopy plan: machines, tables, steps, pictures, and what it refuses.
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cli/plan_figures.hpp"
#include "cli/plan_place.hpp"
#include "run_onecopy.hpp"

namespace onecopy {
namespace {

using schedule::Link;
using test::run_onecopy;
using test::ScratchDirectory;
using test::ToolRun;

const std::string epyc = "package:2 numa:2 l3:4 core:8 pu:1";

ToolRun plan(std::vector<std::string> options) {
    options.insert(options.begin(), "plan");
    return run_onecopy(options);
}

nlohmann::json json_of(std::vector<std::string> options) {
    options.emplace_back("--json");
    const ToolRun run = plan(options);
    EXPECT_EQ(run.status, 0) << run.err;
    return nlohmann::json::parse(run.out);
}

int times(const std::string& text, const std::string& part) {
    int found = 0;
    for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) {
        ++found;
    }
    return found;
}

TEST(PlanPlaces, AreThoseOfASyntheticMachineCoreByCore) {
    const cli::PlanMachine machine = cli::plan_machine(epyc);
    ASSERT_EQ(machine.cores.size(), 128U);
    const schedule::Domains domains(cli::place_ranks(machine, 128));
    EXPECT_EQ(domains.levels(), 4);
    const cli::PlanGroups groups(domains);
    EXPECT_EQ(groups.count(Link::machine), 2);
    EXPECT_EQ(groups.count(Link::package), 4);
    EXPECT_EQ(groups.count(Link::numa), 16);
    EXPECT_EQ(groups.count(Link::l3), 128);
    EXPECT_EQ(groups.of(Link::numa, 8), 1);
    EXPECT_EQ(groups.of(Link::machine, 63), 0);
    EXPECT_EQ(groups.of(Link::machine, 64), 1);
}

TEST(PlanPlaces, HaveOneForEachCoreNotForItsThreads) {
    EXPECT_EQ(cli::plan_machine("package:2 l3:8 core:8 pu:2").cores.size(), 128U);
    EXPECT_EQ(cli::plan_machine("package:8 core:24 pu:1").cores.size(), 192U);
}

TEST(PlanPlaces, BeginAnewWithMoreRanksThanCores) {
    const std::vector<schedule::Where> places =
        cli::place_ranks(cli::plan_machine("package:2 core:2 pu:1"), 9);
    EXPECT_EQ(places[0], places[4]);
    EXPECT_EQ(places[3], places[7]);
    EXPECT_NE(places[1], places[2]);
}

TEST(PlanFigures, SayFromWhereToWhereBytesGo) {
    const schedule::Domains domains(
        cli::place_ranks(cli::plan_machine("package:2 core:2 pu:1"), 4));
    const cli::PlanGroups groups(domains);
    // The others read from rank 0, or it writes a part of that.
    for (const schedule::Form form : {schedule::Form::pull, schedule::Form::push}) {
        const auto figures = cli::plan_figures(
            {schedule::Collective::scatter, form, 4, 0, 400, 4, &domains}, groups);
        ASSERT_EQ(figures.by_phase.size(), 1U);
        EXPECT_EQ(figures.by_phase[0].flows,
                  (std::map<cli::Flow, std::uint64_t>{{{Link::l3, 0, 1}, 400},
                                                      {{Link::machine, 0, 1}, 800}}));
    }
}

TEST(PlanCommand, ShowsTheFormsSideBySideAndByPhase) {
    const ToolRun run = plan({"allreduce", "--ranks", "128", "--bytes", "4M", "--topology", epyc});
    ASSERT_EQ(run.status, 0) << run.err;
    for (const char* const part :
         {"allreduce of 4 MiB, 128 ranks\n", "2 packages, 4 NUMA nodes, 16 L3s", "\npull ",
          "\npush ", "\nredundant ", "\ndomains ", "leave an L3", "leave a NUMA node",
          "leave a package", "\nleast possible ", "domains: phase"}) {
        EXPECT_NE(run.out.find(part), std::string::npos) << part << "\n" << run.out;
    }
}

TEST(PlanCommand, ShowsNoColumnForWhatTheMachineHasNotOrJustOnce) {
    const std::string flat = plan({"bcast", "--topology", "core:4 pu:1"}).out;
    EXPECT_EQ(flat.find("leave"), std::string::npos) << flat;
    const std::string packages = plan({"bcast", "--topology", "package:2 core:4 pu:1"}).out;
    EXPECT_NE(packages.find("leave a package"), std::string::npos) << packages;
    EXPECT_EQ(packages.find("leave an L3"), std::string::npos) << packages;
}

TEST(PlanCommand, CrossesEachEdgeAsSeldomAsCanByDomains) {
    for (const std::string& topology :
         {epyc, std::string("package:2 l3:8 core:8 pu:1"), std::string("numa:4 core:4 pu:2")}) {
        for (const char* const what :
             {"bcast", "allgather", "reduce", "allreduce", "reduce_scatter"}) {
            const auto all = json_of({what, "--bytes", "64K", "--topology", topology});
            const auto& domains = all.at("forms").back();
            ASSERT_EQ(domains.at("form"), "domains");
            for (const auto& [edge, least] : all.at("least_bytes").items()) {
                EXPECT_EQ(domains.at("bytes").at(edge), least) << what << " " << edge;
            }
        }
    }
}

TEST(PlanCommand, PutsAPhaseForAllAlikeIntoOneLine) {
    const auto all = json_of(
        {"scan", "--ranks", "3", "--bytes", "1M", "--form", "pull", "--topology", "core:4 pu:1"});
    const auto& phases = all.at("forms").at(0).at("by_phase");
    ASSERT_EQ(phases.size(), 1U);
    EXPECT_EQ(phases.at(0).at("first"), 1);
    EXPECT_EQ(phases.at(0).at("last"), all.at("forms").at(0).at("phases"));
    EXPECT_EQ(phases.at(0).at("ranks"), 3);
}

TEST(PlanCommand, CountsTheSameBytesInThePhasesAsInAll) {
    const auto all = json_of({"allreduce", "--ranks", "24", "--bytes", "1000K", "--topology",
                              "package:2 l3:3 core:4 pu:1"});
    ASSERT_EQ(all.at("forms").size(), 4U);
    for (const auto& form : all.at("forms")) {
        std::uint64_t steps = 0, left = 0;
        for (const auto& phase : form.at("by_phase")) {
            const int alike = phase.at("last").get<int>() - phase.at("first").get<int>() + 1;
            steps += phase.at("steps").get<std::uint64_t>() * alike;
            left += phase.at("bytes").at("leave_l3").get<std::uint64_t>() * alike;
        }
        EXPECT_EQ(steps, form.at("steps"));
        EXPECT_EQ(left, form.at("bytes").at("leave_l3"));
    }
}

TEST(PlanCommand, ListsTheStepsOfARank) {
    const ToolRun run = plan({"allreduce", "--ranks", "4", "--bytes", "4K", "--form", "pull",
                              "--rank", "1", "--topology", "core:4 pu:1"});
    ASSERT_EQ(run.status, 0) << run.err;
    EXPECT_NE(
        run.out.find("    1       1024  own to +1024 = combined from of ranks 0-3 +1024\n"
                     "    2       1024  own to +2048 = rank 2's to +2048 (after its phase 1)\n"),
        std::string::npos)
        << run.out;
    const auto all = json_of({"allreduce", "--ranks", "4", "--bytes", "4K", "--form", "pull",
                              "--rank", "1", "--topology", "core:4 pu:1"});
    const auto& steps = all.at("forms").at(0).at("steps_of_rank").at("list");
    ASSERT_EQ(steps.size(), 4U);
    EXPECT_EQ(steps.at(0).at("sources").size(), 4U);
    EXPECT_EQ(steps.at(1).at("sources").at(0).at("rank"), 2);
    EXPECT_EQ(steps.at(1).at("sources").at(0).at("after_phase"), 1);
}

TEST(PlanCommand, IsOfThisMachineUnlessToldOtherwise) {
    const auto all = json_of({"bcast"});
    EXPECT_EQ(all.at("topology"), "this machine");
    EXPECT_EQ(all.at("ranks"), all.at("cores"));
}

TEST(PlanCommand, DrawsAPanelForEachPhaseWithADotForEachRank) {
    const ScratchDirectory scratch;
    const ToolRun run = plan({"allreduce", "--ranks", "128", "--bytes", "4M", "--topology", epyc,
                              "--plot", scratch / "all.svg"});
    ASSERT_EQ(run.status, 0) << run.err;
    const std::string svg = test::file_text(scratch / "all.svg");
    EXPECT_EQ(svg.rfind("<svg ", 0), 0U);
    EXPECT_EQ(svg.substr(svg.size() - 7), "</svg>\n");
    EXPECT_EQ(times(svg, "<circle"), 8 * 128);
    EXPECT_EQ(times(svg, ">phase "), 8);
    // Between packages, in the two phases that cross: there and back.
    EXPECT_EQ(times(svg, "url(#tip4)"), 4);
    EXPECT_EQ(times(svg, "<g"), times(svg, "</g>"));
}

TEST(PlanCommand, DrawsArrowsBetweenFewRanks) {
    const ScratchDirectory scratch;
    ASSERT_EQ(plan({"scan", "--ranks", "4", "--bytes", "8", "--form", "pull", "--topology",
                    "core:4 pu:1", "--plot", scratch / "scan.svg"})
                  .status,
              0);
    EXPECT_EQ(times(test::file_text(scratch / "scan.svg"), "marker-end"), 3);
}

TEST(PlanCommand, NamesTheMachineInThePicture) {
    const ScratchDirectory scratch;
    ASSERT_EQ(
        plan({"bcast", "--topology", "l3:2(size=1MB) core:2 pu:1", "--plot", scratch / "bcast.svg"})
            .status,
        0);
    EXPECT_NE(test::file_text(scratch / "bcast.svg").find("l3:2(size=1MB)"), std::string::npos);
}

TEST(PlanDrawing, BreaksALongDescriptionIntoLinesThatFit) {
    const ScratchDirectory scratch;
    std::string indexes = "0";
    for (int i = 1; i < 32; ++i) indexes += "," + std::to_string(i);
    const std::string machine =
        "package:1 l3:4(size=33554432) core:8 pu:1(indexes=" + indexes + ")";
    ASSERT_EQ(plan({"bcast", "--topology", machine, "--plot", scratch / "a.svg"}).status, 0);
    const std::string svg = test::file_text(scratch / "a.svg");
    const std::size_t begins = svg.find(">on 32 of the 32 cores of package:1 l3:4(size=33554432)");
    ASSERT_NE(begins, std::string::npos);
    EXPECT_LT(svg.find("</text>", begins) - begins, 105U);  // the least width is 760 pixels
    EXPECT_GT(svg.find(indexes), svg.find("<text", begins));
    EXPECT_NE(svg.find(indexes), std::string::npos);
}

TEST(PlanDrawing, SaysWhereNothingIsMoved) {
    const ScratchDirectory scratch;
    ASSERT_EQ(plan({"bcast", "--ranks", "1", "--plot", scratch / "one.svg"}).status, 0);
    ASSERT_EQ(plan({"bcast", "--bytes", "0", "--plot", scratch / "none.svg"}).status, 0);
    for (const char* const name : {"one.svg", "none.svg"}) {
        EXPECT_NE(test::file_text(scratch / name).find(">nothing is moved<"), std::string::npos)
            << name;
    }
}

TEST(PlanCommand, RefusesWrongInputInOneLine) {
    const std::vector<std::pair<std::vector<std::string>, std::string>> wrong = {
        {{"allgatherv"}, "plan: \"allgatherv\": no collective with a schedule; choose from bcast"},
        {{"bcast", "--ranks", "0"}, "plan: --ranks \"0\": no number from 1 to 4096"},
        {{"bcast", "--ranks", "4097"}, "plan: --ranks \"4097\": no number from 1 to 4096"},
        {{"bcast", "--ranks", "4x"}, "plan: --ranks \"4x\": no number"},
        {{"bcast", "--ranks", "4", "--root", "4"}, "plan: --root \"4\": no number from 0 to 3"},
        {{"bcast", "--ranks", "4", "--rank", "-1"}, "plan: --rank \"-1\": no number from 0 to 3"},
        {{"bcast", "--bytes", "many"}, "plan: --bytes \"many\": no number of bytes"},
        {{"bcast", "--bytes", "65G"}, "plan: --bytes 65G: more than 64 GiB"},
        {{"bcast", "--bytes", "12"}, "plan: --bytes 12: no whole number of elements of 8 bytes"},
        {{"bcast", "--element", "0"}, "plan: --element 0: an element has a byte at least"},
        {{"bcast", "--ranks", ""}, "plan: --ranks \"\": no number from 1 to 4096"},
        {{"bcast", "--rank", ""}, "plan: --rank \"\": no number from 0 to"},
        {{"bcast", "--root", ""}, "plan: --root \"\": no number from 0 to"},
        {{"bcast", "--form", ""}, "plan bcast: --form \"\": there is no such; choose from pull"},
        {{"allreduce", "--root", "1"}, "plan allreduce: --root 1: it has no root; leave --root"},
        {{}, "plan: COLLECTIVE is required"},
        {{"scan", "--form", "push"},
         "plan scan: --form \"push\": there is no such; choose from pull"},
        {{"bcast", "--topology", "core:0"}, "plan: --topology \"core:0\": hwloc knows no such"},
        {{"bcast", "--topology", ""}, "plan: --topology \"\": hwloc knows no such"},
        {{"bcast", "--topology", "nonsense:2"}, "plan: --topology \"nonsense:2\": hwloc knows no"},
        {{"bcast", "--topology", "package:2 core:99999999 pu:1"},
         "plan: --topology \"package:2 core:99999999 pu:1\": more than 4096 hardware threads"},
        {{"bcast", "--topology", "l3:65(size=1M) 64"},
         "plan: --topology \"l3:65(size=1M) 64\": more than 4096 hardware threads"},
        {{"bcast", "--topology", "pu:99999999999999999999"},
         "plan: --topology \"pu:99999999999999999999\": more than 4096 hardware threads"},
    };
    for (const auto& [options, line] : wrong) {
        const ToolRun run = plan(options);
        EXPECT_EQ(run.status, 2) << line;
        EXPECT_EQ(run.err.rfind("onecopy: " + line, 0), 0U) << run.err;
        EXPECT_EQ(times(run.err, "\n"), 1) << run.err;
        EXPECT_EQ(run.out, "");
    }
}

TEST(PlanCommand, SaysWhyThePictureCannotBeWritten) {
    const ToolRun run = plan({"bcast", "--plot", "/nowhere/to/be.svg"});
    EXPECT_EQ(run.status, 1);
    EXPECT_EQ(run.err,
              "onecopy: plan: --plot /nowhere/to/be.svg: No such file or directory; name a file "
              "that can be written\n");
}

}  // namespace
}  // namespace onecopy
