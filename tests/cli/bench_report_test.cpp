#include "cli/bench_report.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <system_error>
#include <vector>

#include "cli/bench_options.hpp"
#include "cli/bench_plot.hpp"
#include "cli/bench_transfer.hpp"
#include "cli/errors.hpp"
#include "reports.hpp"

namespace onecopy::cli {
namespace {

namespace fs = std::filesystem;

/// A directory of its own, gone at the end.
class Directory {
public:
    Directory() {
        std::string name = (fs::temp_directory_path() / "onecopy-bench-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no directory");
        path_ = name;
    }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    ~Directory() { fs::remove_all(path_); }

    [[nodiscard]] std::string file(std::string_view name) const { return (path_ / name).string(); }

private:
    fs::path path_;
};

std::string content(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

/// The name of a new, empty file.
std::string content_file(const std::string& path) {
    std::ofstream{path};
    return path;
}

Row row(std::string work, std::string way, int ranks, std::uint64_t bytes, double median_us) {
    return row_of("transfer", std::move(work), std::move(way), ranks, bytes, median_us);
}

Report report_of(std::vector<Row> rows) {
    Report report;
    report.title = "a title's \"test\"";
    report.machine = this_machine();
    report.rows = std::move(rows);
    return report;
}

/// What print_*() writes.
template <class Print>
std::string printed(Print&& print) {
    std::FILE* file = std::tmpfile();
    print(file);
    std::rewind(file);
    std::string text;
    for (int letter = 0; (letter = std::fgetc(file)) != EOF;) text += static_cast<char>(letter);
    std::fclose(file);
    return text;
}

/// The line of the exception that `body` throws.
template <class Exception, class Body>
std::string line_of(Body&& body) {
    try {
        body();
    } catch (const Exception& error) {
        return error.what();
    }
    return "nothing was thrown";
}

TEST(BenchRow, QuantilesLieBetweenNeighboursAndSpeedCountsAllMovedBytes) {
    std::vector<double> samples = {40, 10, 30, 20};
    const Row made = make_row("transfer", "read", "memcpy", 2, 1000, 5000, samples, true);
    EXPECT_DOUBLE_EQ(made.median_us, 25);
    EXPECT_DOUBLE_EQ(made.p10_us, 13);
    EXPECT_DOUBLE_EQ(made.p90_us, 37);
    EXPECT_DOUBLE_EQ(made.gb_per_s, 5000 / 25.0 / 1000);
    EXPECT_EQ(made.repetitions, 4U);
}

TEST(BenchRow, QuantilesOfEqualSamplesAreEqualToTheLastBit) {
    for (const double time : {0.831, 1.668, 14.717, 0.321}) {
        std::vector<double> samples = {time, time, time};
        const Row made = make_row("transfer", "read", "memcpy", 2, 8, 8, samples, true);
        EXPECT_EQ(made.p10_us, time);
        EXPECT_EQ(made.median_us, time);
        EXPECT_EQ(made.p90_us, time);
    }
}

TEST(BenchRow, NoSampleMakesZerosNotNonsense) {
    std::vector<double> none;
    const Row made = make_row("transfer", "read", "memcpy", 2, 8, 8, none, true);
    EXPECT_EQ(made.median_us, 0);
    EXPECT_EQ(made.gb_per_s, 0);
    EXPECT_EQ(made.repetitions, 0U);
}

TEST(BenchReport, JsonHoldsEveryFieldAndSurvivesQuotes) {
    Report report = report_of({row("read", "one\"copy\n", 2, 4096, 1.5)});
    report.verdicts.push_back({"a \"claim\"", 1.25, 0.95, true});
    report.notes.emplace_back("C:\\no\ttabs");
    const auto json = nlohmann::json::parse(to_json(report));
    const auto& machine = json.at("machine");
    for (const char* field : {"cpu", "cores", "caches", "kernel", "libraries"}) {
        EXPECT_TRUE(machine.contains(field)) << field;
    }
    EXPECT_GE(machine.at("cores").get<int>(), 1);
    EXPECT_TRUE(machine.at("libraries").contains("onecopy"));
    ASSERT_EQ(json.at("rows").size(), 1U);
    const auto& got = json.at("rows")[0];
    EXPECT_EQ(got.size(), 11U);
    EXPECT_EQ(got.at("bench"), "transfer");
    EXPECT_EQ(got.at("work"), "read");
    EXPECT_EQ(got.at("way"), "one\"copy\n");
    EXPECT_EQ(got.at("ranks"), 2);
    EXPECT_EQ(got.at("bytes"), 4096);
    EXPECT_EQ(got.at("median_us"), 1.5);
    EXPECT_EQ(got.at("p10_us"), 1.5);
    EXPECT_EQ(got.at("p90_us"), 1.5);
    EXPECT_EQ(got.at("gb_per_s"), 1.0);
    EXPECT_EQ(got.at("repetitions"), 3);
    EXPECT_EQ(got.at("verified"), true);
    EXPECT_EQ(json.at("verdicts")[0].at("name"), "a \"claim\"");
    EXPECT_EQ(json.at("verdicts")[0].at("value"), 1.25);
    EXPECT_EQ(json.at("verdicts")[0].at("limit"), 0.95);
    EXPECT_EQ(json.at("verdicts")[0].at("ok"), true);
    EXPECT_EQ(json.at("notes")[0], "C:\\no\ttabs");
}

TEST(BenchReport, AnEmptyReportIsJsonToo) {
    const auto json = nlohmann::json::parse(to_json(Report{}));
    EXPECT_TRUE(json.at("rows").empty());
    EXPECT_TRUE(json.at("verdicts").empty());
}

TEST(BenchReport, TheTableShowsTheSpeedAsAMultipleOfTheBaselineAndMarksWrongBytes) {
    std::vector<Row> rows = {row("read", "memcpy", 2, 8192, 1.0),
                             row("read", "slow", 2, 8192, 4.0)};
    rows[1].verified = false;
    const std::string text =
        printed([&](std::FILE* out) { print_rows(out, "a heading", rows, "memcpy"); });
    EXPECT_NE(text.find("a heading"), std::string::npos);
    EXPECT_NE(text.find("8 KiB"), std::string::npos);
    EXPECT_NE(text.find("0.25"), std::string::npos);
    EXPECT_NE(text.find("WRONG BYTES"), std::string::npos);
}

TEST(BenchReport, WrongBytesEndInAFailureAfterTheFilesWereWritten) {
    const Directory directory;
    ReportFiles files;
    files.json = directory.file("out.json");
    Report report = report_of({row("read", "memcpy", 2, 8, 1), row("read", "bad", 2, 4096, 1)});
    report.rows[1].verified = false;
    std::string line;
    printed([&](std::FILE* out) {
        line = line_of<Failure>([&] { finish_report(out, "bench transfer", report, files); });
    });
    EXPECT_NE(line.find("read of 4 KiB by bad"), std::string::npos) << line;
    const auto json = nlohmann::json::parse(content(files.json));
    EXPECT_EQ(json.at("rows")[1].at("verified"), false);
}

TEST(BenchReport, AFileThatCannotBeWrittenIsToldBeforeTheMeasurement) {
    const Directory directory;
    ReportFiles files;
    files.json = directory.file("absent/out.json");
    const std::string line = line_of<WrongInput>([&] { files.check("bench transfer"); });
    EXPECT_NE(line.find("--json"), std::string::npos) << line;
    EXPECT_NE(line.find("No such file"), std::string::npos) << line;
}

TEST(BenchReport, TheCheckLeavesNoFileBehindAndKeepsOldOnes) {
    const Directory directory;
    ReportFiles files;
    files.json = directory.file("new.json");
    files.check("bench transfer");
    EXPECT_FALSE(fs::exists(files.json));
    files.json = directory.file("old.json");
    std::ofstream(files.json) << "last year's figures";
    files.check("bench transfer");
    EXPECT_EQ(content(files.json), "last year's figures");
}

TEST(BenchReport, APlotWithoutGnuplotIsOneLineThatNamesIt) {
    const Directory empty;
    const std::string path = ::getenv("PATH");
    ::setenv("PATH", empty.file("").c_str(), 1);
    ReportFiles files;
    files.plot = empty.file("out.svg");
    const std::string line = line_of<WrongInput>([&] { files.check("bench transfer"); });
    ::setenv("PATH", path.c_str(), 1);
    EXPECT_NE(line.find("gnuplot is not installed"), std::string::npos) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos);
}

TEST(BenchPlot, DrawsEveryWayOfEveryWorkIntoAnSvgFile) {
    if (!gnuplot_found()) GTEST_SKIP() << "gnuplot is not installed";
    const Directory directory;
    const Report report =
        report_of({row("read", "memcpy", 2, 8, 0.1), row("read", "onecopy", 2, 8, 1),
                   row("read", "memcpy", 2, 65536, 1), row("read", "onecopy", 2, 65536, 5),
                   row("incast", "it's", 3, 8, 1), row("incast", "it's", 9, 8, 2)});
    write_plot("bench transfer", directory.file("it's.svg"), report);
    const std::string svg = content(directory.file("it's.svg"));
    for (const char* part : {"<svg", "memcpy", "onecopy", "read, 2 processes",
                             "incast, 3 processes", "incast, 9 processes", "32 KiB", "</svg>"}) {
        EXPECT_NE(svg.find(part), std::string::npos) << part;
    }
}

TEST(BenchPlot, EveryNumberOfRanksHasAPanelWithItsOwnFigures) {
    std::vector<Row> rows;
    for (const char* const work : {"latency", "stream"}) {
        for (const unsigned ranks : {2U, 4U, 8U}) {
            rows.push_back(row(work, "onecopy", static_cast<int>(ranks), 8 * ranks, 1));
        }
    }
    // A work stands in a line: three panels are 1,680 wide.
    std::string script = plot_script(report_of(rows), "out.svg");
    EXPECT_NE(script.find("size 1680,"), std::string::npos) << script;
    EXPECT_NE(script.find("layout 2,3 "), std::string::npos) << script;
    EXPECT_LT(script.find("'latency, 8 processes'"), script.find("'stream, 2 processes'"));
    EXPECT_NE(script.find("EOD\n32 1\nEOD"), std::string::npos) << script;

    // Where one has fewer they stand in twos.
    rows.pop_back();
    script = plot_script(report_of(rows), "out.svg");
    EXPECT_NE(script.find("layout 3,2 "), std::string::npos) << script;
}

TEST(BenchPlot, TheKeyStandsAboveThePanelsOnce) {
    std::vector<Row> rows;
    for (const char* const way : {"onecopy", "a", "b", "c", "process_vm_then_op"}) {
        for (const char* const work : {"read", "write", "reduce"}) {
            rows.push_back(row(work, way, 2, 8, 1));
        }
    }
    const std::string script = plot_script(report_of(rows), "out.svg");
    // Two lines of panels, and one of the key, as high as 20 pixels, below 40 of title.
    // An entry is 180 wide, so five stand in the middle of 1120.
    EXPECT_NE(script.find("size 1120,860 "), std::string::npos) << script;
    EXPECT_NE(script.find("margins screen 0.0714,0.9786,0.0721,0.8953"), std::string::npos);
    EXPECT_NE(script.find("set label 'process_vm_then_op' at screen 0.7714,0.9419 left"),
              std::string::npos)
        << script;
    const std::size_t first_panel = script.find("\nplot ");
    EXPECT_LT(script.rfind("\nset label"), first_panel);
    EXPECT_NE(script.find("unset label\nunset arrow", first_panel), std::string::npos);
}

TEST(BenchPlot, WhatHasNoSizeIsNotDrawnAsAnEmptyPicture) {
    if (!gnuplot_found()) GTEST_SKIP() << "gnuplot is not installed";
    const Directory directory;
    const std::string file = directory.file("out.svg");
    const std::string line = line_of<Failure>([&] {
        write_plot("bench collectives", file, report_of({row("barrier", "onecopy", 2, 0, 1)}));
    });
    EXPECT_NE(line.find("nothing of this has a size and a speed"), std::string::npos) << line;
    EXPECT_FALSE(fs::exists(file));
}

TEST(BenchPlot, AFileThatGnuplotCannotWriteIsAFailure) {
    if (!gnuplot_found()) GTEST_SKIP() << "gnuplot is not installed";
    const Directory directory;
    const Report report = report_of({row("read", "memcpy", 2, 8, 0.1)});
    const std::string line = line_of<Failure>(
        [&] { write_plot("bench transfer", directory.file("absent/out.svg"), report); });
    EXPECT_NE(line.find("gnuplot did not draw it"), std::string::npos) << line;
}

TEST(BenchReport, OneFileCannotBeFiguresAndPicture) {
    const Directory directory;
    ReportFiles files;
    files.json = directory.file("a");
    files.plot = directory.file("./a");
    const std::string line = line_of<WrongInput>([&] { files.check("bench transfer"); });
    EXPECT_NE(line.find("one file cannot be both; name two"), std::string::npos) << line;
    files.json = "not-there-yet";
    files.plot = "./not-there-yet";
    EXPECT_THROW(files.check("bench transfer"), WrongInput);
    fs::create_hard_link(content_file(directory.file("b")), directory.file("c"));
    files.json = directory.file("b");
    files.plot = directory.file("c");
    EXPECT_THROW(files.check("bench transfer"), WrongInput);
}

TEST(BenchReport, ThatNothingWasMeasuredIsAFailure) {
    std::string line;
    const std::string text = printed([&](std::FILE* out) {
        line =
            line_of<Failure>([&] { finish_report(out, "bench collectives", report_of({}), {}); });
    });
    EXPECT_NE(line.find("bench collectives: nothing was measured"), std::string::npos) << line;
    EXPECT_NE(text.find("Measured on"), std::string::npos);  // and why, behind it
}

TEST(BenchReport, AStreamThatTakesNoMoreEndsTheBench) {
    std::FILE* full = std::fopen("/dev/full", "we");
    ASSERT_NE(full, nullptr);
    const std::vector<Row> rows = {row("read", "memcpy", 2, 8, 0.1)};
    EXPECT_THROW(print_rows(full, "read", rows, "memcpy"), std::system_error);
    const std::vector<Figure> figures(1);
    EXPECT_THROW(print_figures(full, "start", figures), std::system_error);
    std::fclose(full);
}

TEST(BenchOptions, AllBesideOtherNamesIsAll) {
    constexpr std::array<std::string_view, 2> known = {"read", "write"};
    const std::vector<std::string> all{"read", "write"};
    EXPECT_EQ(parse_choice("bench", "--works", "all", known), all);
    EXPECT_EQ(parse_choice("bench", "--works", "read,all", known), all);
    EXPECT_THROW(parse_choice("bench", "--works", "all,rad", known), WrongInput);
    EXPECT_THROW(parse_choice("bench", "--works", "all,", known), WrongInput);
}

TEST(BenchOptions, SizesAreReadWithUnitsSortedAndOnce) {
    const auto sizes = parse_sizes("bench", "4K,8,1MiB,4KiB,64B", std::uint64_t{1} << 30);
    EXPECT_EQ(sizes, (std::vector<std::uint64_t>{8, 64, 4096, 1U << 20}));
}

class BadSizes : public testing::TestWithParam<std::string> {};

TEST_P(BadSizes, AreRefusedInOneLineThatQuotesThem) {
    const std::string line =
        line_of<WrongInput>([] { parse_sizes("bench transfer", GetParam(), 1U << 30); });
    EXPECT_NE(line.find(GetParam()), std::string::npos) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(BenchOptions, BadSizes,
                         testing::Values<std::string>("", "0", "-8", "8,", "4X", "4KK", "2G", "1e3",
                                                      " 8", "99999999999999999999",
                                                      "18446744073709551615K", "8 K"));

TEST(BenchOptions, NamesComeInTheOrderOfMeasurementAndUnknownOnesAreRefused) {
    constexpr std::array<std::string_view, 3> known = {"read", "write", "reduce"};
    EXPECT_EQ(parse_names("bench", "--works", "reduce,read,read", known),
              (std::vector<std::string>{"read", "reduce"}));
    const std::string line =
        line_of<WrongInput>([&] { parse_names("bench", "--works", "read,rad", known); });
    EXPECT_NE(line.find("'rad' is unknown; choose from read,write,reduce"), std::string::npos)
        << line;
}

TEST(BenchOptions, BytesArePrintedAsPeopleSayThem) {
    EXPECT_EQ(human_bytes(8), "8 B");
    EXPECT_EQ(human_bytes(1024), "1 KiB");
    EXPECT_EQ(human_bytes(1536), "1.5 KiB");
    EXPECT_EQ(human_bytes(std::uint64_t{3} << 30), "3 GiB");
}

TEST(BenchJudge, AReadIsHeldAgainstTheBareCallFromFourKibibytesOn) {
    const std::vector<Row> rows = {
        row("read", "process_vm", 2, 8, 1),       row("read", "onecopy", 2, 8, 9),
        row("read", "process_vm", 2, 4096, 84),   row("read", "onecopy", 2, 4096, 100),
        row("read", "process_vm", 2, 65536, 95),  row("read", "onecopy", 2, 65536, 100),
        row("read", "process_vm", 2, 262144, 96), row("read", "onecopy", 2, 262144, 100)};
    const std::vector<Verdict> verdicts = judge_transfer(rows);
    ASSERT_EQ(verdicts.size(), 3U);
    EXPECT_EQ(verdicts[0].limit, 0.85);
    EXPECT_FALSE(verdicts[0].ok);
    EXPECT_EQ(verdicts[1].limit, 0.95);
    EXPECT_TRUE(verdicts[1].ok);
    EXPECT_EQ(verdicts[2].limit, 0.97);
    EXPECT_FALSE(verdicts[2].ok);
}

TEST(BenchJudge, AFusedReductionMayNeverLoseAndMustWinOnceTheBufferLeavesTheCache) {
    const std::vector<Row> rows = {row("reduce", "process_vm_then_op", 2, 8, 94),
                                   row("reduce", "onecopy", 2, 8, 100),
                                   row("reduce", "process_vm_then_op", 2, 8U << 20, 120),
                                   row("reduce", "onecopy", 2, 8U << 20, 100)};
    const std::vector<Verdict> verdicts = judge_transfer(rows);
    ASSERT_EQ(verdicts.size(), 2U);
    EXPECT_FALSE(verdicts[0].ok);
    EXPECT_EQ(verdicts[1].limit, 1.15);
    EXPECT_TRUE(verdicts[1].ok);
    EXPECT_DOUBLE_EQ(verdicts[1].value, 1.2);
}

TEST(BenchJudge, WritersWorkAtOnceIfTheyBeatTheirOwnTurnsHalfWayToTheCores) {
    const Verdict slow =
        judge_incast(row("incast", "pipe", 9, 65536, 100), row("incast", "pipe", 9, 65536, 149), 2);
    EXPECT_EQ(slow.limit, 1.5);
    EXPECT_FALSE(slow.ok);
    const Verdict fast = judge_incast(row("incast", "pipe", 3, 65536, 100),
                                      row("incast", "pipe", 3, 65536, 151), 64);
    EXPECT_EQ(fast.limit, 1.5);  // two writers use two cores of them
    EXPECT_TRUE(fast.ok);
}

}  // namespace
}  // namespace onecopy::cli
