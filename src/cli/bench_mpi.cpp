#include "cli/bench_mpi.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>
#include <utility>

#include "cli/bench_options.hpp"
#include "cli/bench_run.hpp"
#include "cli/errors.hpp"
#include "cli/mpi_launch.hpp"
#include "cli/tool.hpp"

namespace onecopy::cli {
namespace {

constexpr std::string_view asked = "bench mpi";
constexpr int max_ranks = 64;
constexpr std::string_view works[] = {"allreduce", "reduce"};
constexpr std::string_view ways[] = {"openmpi", "openmpi-nocma", "openmpi+onecopy"};
constexpr std::string_view baseline = ways[0];
constexpr std::string_view no_single_copy = ways[1];
constexpr std::string_view ours = ways[2];

constexpr std::uint64_t max_bytes = std::uint64_t{1} << 30;
constexpr std::uint64_t smallest_judged = 256 << 10;
constexpr std::uint64_t largest_judged = 16 << 20;
constexpr double limit = 1.2;

constexpr std::string_view footer =
    "Works:\n"
    "  allreduce, reduce  sums of doubles, one call after a barrier\n"
    "Ways:\n"
    "  openmpi            Open MPI as installed\n"
    "  openmpi-nocma      the same, without its single copy\n"
    "  openmpi+onecopy    as installed, under `onecopy mpi`\n"
    "\n"
    "Examples:\n"
    "  onecopy bench mpi\n"
    "  onecopy bench mpi --works allreduce --sizes 256K,4M --json a.json --plot a.svg\n";

/// The launcher of Open MPI, wherever Debian's alternatives point.
std::string find_launcher() {
    const char* path = std::getenv("PATH");
    for (const std::string_view name : {"mpirun.openmpi", "mpirun"}) {
        std::stringstream folders(path != nullptr ? path : "");
        for (std::string folder; std::getline(folders, folder, ':');) {
            const auto candidate = std::filesystem::path(folder) / name;
            if (::access(candidate.c_str(), X_OK) == 0) return candidate.string();
        }
    }
    throw Failure("bench mpi: find mpirun: not in PATH; install openmpi-bin");
}

/// The program to be measured: beside the tool in a build, or where it was installed.
std::string find_driver() {
    const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe");
    const std::filesystem::path prefix = self.parent_path().parent_path();
    for (const auto& candidate :
         {prefix / "bin" / "onecopy-mpi-driver",
          std::filesystem::path(mpi_library()).parent_path() / "onecopy-mpi-driver"}) {
        if (::access(candidate.c_str(), X_OK) == 0) return candidate.string();
    }
    throw Failure(
        "bench mpi: find onecopy-mpi-driver: not built or not installed; build onecopy "
        "where Open MPI's headers are");
}

struct Job {
    std::string launcher;
    std::string driver;
    std::string library;
};

std::vector<std::string> command_of(const Job& job, std::string_view way, std::string_view work,
                                    int ranks, const MpiBench& bench) {
    std::vector<std::string> command{job.launcher, "-n", std::to_string(ranks)};
    if (::geteuid() == 0) command.emplace_back("--allow-run-as-root");
    if (ranks <= ::sysconf(_SC_NPROCESSORS_ONLN)) {
        command.insert(command.end(), {"--bind-to", "core"});
    } else {
        command.insert(command.end(), {"--oversubscribe", "--bind-to", "none"});
    }
    if (way == no_single_copy) {
        command.insert(command.end(), {"--mca", "btl_vader_single_copy_mechanism", "none"});
    }
    if (way == ours) command.insert(command.end(), {"-x", "LD_PRELOAD=" + job.library});
    command.insert(command.end(),
                   {job.driver, std::string(work), std::to_string(bench.repetitions)});
    for (const std::uint64_t bytes : bench.sizes) command.push_back(std::to_string(bytes));
    return command;
}

/// Its standard output. Its standard error is ours.
std::string run_job(const std::vector<std::string>& command) {
    std::string output;
    const int status = launch_and_read(command, output);
    if (status != 0) {
        throw Failure(fmt::format("bench mpi: {}: exit status {}; its own lines above say why",
                                  fmt::join(command, " "), status));
    }
    return output;
}

std::string version_of(const std::string& launcher) {
    const std::string output = run_job({launcher, "--version"});
    return output.substr(0, output.find('\n'));
}

/// The size at which ours is slowest against the better of the MPI's two settings.
void note_worst(Report& report) {
    const Row* worst = nullptr;
    double worst_ratio = 0;
    for (const Row& row : report.rows) {
        if (row.way != ours) continue;
        double best = 0;
        for (const std::string_view way : {baseline, no_single_copy}) {
            const Row* rival = find_row(report.rows, row.work, way, row.ranks, row.bytes);
            if (rival != nullptr && (best == 0 || rival->median_us < best)) best = rival->median_us;
        }
        if (best == 0 || row.median_us == 0) continue;
        const double ratio = best / row.median_us;
        if (worst == nullptr || ratio < worst_ratio) {
            worst = &row;
            worst_ratio = ratio;
        }
    }
    if (worst == nullptr) return;
    report.notes.push_back(
        fmt::format("Worst against the better of the MPI's settings: {} of {}, {} ranks: {:.2f} "
                    "times as fast.",
                    worst->work, human_bytes(worst->bytes), worst->ranks, worst_ratio));
}

struct MpiOptions {
    std::string works = "allreduce,reduce";
    std::string ways = "openmpi,openmpi-nocma,openmpi+onecopy";
    std::string sizes = "1K,4K,16K,32K,64K,128K,256K,512K,1M,2M,4M,8M,16M";
    std::string ranks = "2";
    bool quick = false;
    ReportFiles files;
};

MpiBench checked(const MpiOptions& options) {
    MpiBench bench;
    bench.works = parse_choice(asked, "--works", options.works, works);
    bench.ways = parse_choice(asked, "--ways", options.ways, ways);
    bench.sizes = parse_sizes(asked, options.sizes, max_bytes);
    bench.ranks = parse_ranks(asked, options.ranks, max_ranks);
    for (const std::uint64_t bytes : bench.sizes) {
        if (bytes % sizeof(double) == 0) continue;
        throw WrongInput(
            fmt::format("{}: --sizes {}: {} bytes are no whole number of doubles; "
                        "choose multiples of 8",
                        asked, options.sizes, bytes));
    }
    if (options.quick) {
        bench.rounds = 2;
        bench.repetitions = 15;
    }
    options.files.check(asked);
    return bench;
}

}  // namespace

std::span<const std::string_view> mpi_work_names() noexcept { return works; }
std::span<const std::string_view> mpi_way_names() noexcept { return ways; }

void add_samples(std::string_view output, std::span<const std::uint64_t> sizes,
                 std::map<std::uint64_t, MpiSamples>& samples) {
    std::stringstream lines{std::string(output)};
    std::size_t next = 0;
    bool expected = true;
    for (std::string line; expected && std::getline(lines, line); ++next) {
        std::stringstream words(line);
        std::uint64_t bytes = 0;
        int verified = 0;
        expected = (words >> bytes >> verified) && next < sizes.size() && bytes == sizes[next];
        if (!expected) break;
        MpiSamples& of_size = samples[bytes];
        of_size.verified = of_size.verified && verified == 1;
        for (double us = 0; words >> us;) of_size.us.push_back(us);
    }
    if (!expected || next != sizes.size()) {
        throw Failure(fmt::format("bench mpi: the program printed {} sizes of {}: \"{}\"", next,
                                  sizes.size(), output.substr(0, 200)));
    }
}

Report run_mpi_bench(const MpiBench& bench, std::FILE* out) {
    const Job job{find_launcher(), find_driver(), mpi_library()};
    Report report;
    report.title = "onecopy bench mpi";
    report.machine = this_machine();
    report.machine.libraries["mpirun"] = version_of(job.launcher);
    for (const std::string& work : bench.works) {
        const std::size_t first = report.rows.size();
        for (const int ranks : bench.ranks) {
            std::map<std::string, std::map<std::uint64_t, MpiSamples>> samples;
            for (int round = 0; round < bench.rounds; ++round) {
                for (const std::string& way : bench.ways) {
                    const std::string output = run_job(command_of(job, way, work, ranks, bench));
                    add_samples(output, bench.sizes, samples[way]);
                }
            }
            for (const std::uint64_t bytes : bench.sizes) {
                for (const std::string& way : bench.ways) {
                    MpiSamples& found = samples[way][bytes];
                    report.rows.push_back(make_row("mpi", work, way, ranks, bytes,
                                                   bytes * static_cast<std::uint64_t>(ranks),
                                                   found.us, found.verified));
                }
            }
        }
        print_rows(out, fmt::format("MPI_{} of doubles", work == "reduce" ? "Reduce" : "Allreduce"),
                   std::span(report.rows).subspan(first), baseline);
    }
    note_worst(report);
    report.notes.emplace_back(
        "One operation after a barrier, the slowest rank's time; every source is rewritten before "
        "each operation, so it is in its owner's cache where it fits; results are verified.");
    report.notes.emplace_back(
        "Not measured: more than one operation under way, cold caches, several sockets.");
    return report;
}

std::vector<Verdict> judge_mpi(std::span<const Row> rows) {
    std::vector<Verdict> verdicts;
    for (const Row& row : rows) {
        if (row.way != ours || row.work != works[0] || row.ranks != 2 ||
            row.bytes < smallest_judged || row.bytes > largest_judged) {
            continue;
        }
        const Row* rival = find_row(rows, row.work, baseline, row.ranks, row.bytes);
        if (rival == nullptr) continue;
        verdicts.push_back(compare(fmt::format("allreduce of {} by 2 ranks: against Open MPI as "
                                               "installed",
                                               human_bytes(row.bytes)),
                                   row, *rival, limit));
    }
    return verdicts;
}

void add_bench_mpi(CLI::App& bench, int& exit_status) {
    CLI::App* command =
        &add_command(bench, "mpi", "Reductions of an unmodified MPI program, with and without us",
                     std::string(footer));
    auto options = std::make_shared<MpiOptions>();
    command->add_option("--works", options->works, "What is to be done")
        ->type_name("LIST")
        ->capture_default_str();
    command->add_option("--ways", options->ways, "By which means")
        ->type_name("LIST")
        ->capture_default_str();
    command->add_option("--sizes", options->sizes, "Bytes of each rank's array, with K, M or G")
        ->type_name("LIST")
        ->capture_default_str();
    command->add_option("--ranks", options->ranks, "Ranks of a job")
        ->type_name("LIST")
        ->capture_default_str();
    command->add_flag("--quick", options->quick, "Fewer repetitions, wider spread");
    options->files.add_options(*command);
    when_asked(*command, asked, std::move(options), exit_status, [](const MpiOptions& typed) {
        Report report = run_mpi_bench(checked(typed), stdout);
        report.verdicts = judge_mpi(report.rows);
        return report;
    });
}

}  // namespace onecopy::cli
