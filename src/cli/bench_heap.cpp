#include "cli/bench_heap.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <memory>
#include <sstream>
#include <utility>

#include "cli/bench_options.hpp"
#include "cli/bench_program.hpp"
#include "cli/bench_run.hpp"
#include "cli/bench_timing.hpp"
#include "cli/commands.hpp"
#include "cli/errors.hpp"
#include "cli/tool.hpp"

namespace onecopy::cli {
namespace {

constexpr std::string_view asked = "bench heap";
constexpr std::array<std::string_view, 9> works = {"loop",           "touch",         "fresh",
                                                   "realloc_double", "realloc_tenth", "update",
                                                   "copy",           "threads",       "fork"};
constexpr std::array<std::string_view, 2> ways = {"malloc", "onecopy"};
constexpr std::string_view plain = ways[0];
constexpr std::string_view ours = ways[1];

constexpr std::uint64_t max_bytes = std::uint64_t{4} << 30;
constexpr std::uint64_t mib = std::uint64_t{1} << 20;
constexpr std::uint64_t smallest_judged = mib;
constexpr std::uint64_t largest_judged = 64 * mib;
/// What a process of the work `fresh` may hold.
constexpr std::uint64_t fresh_bytes = 512 * mib;
/// Works on a block that stays are shared out over so many times as many processes.
constexpr int places = 8;
/// At most 3 % slower.
constexpr double limit = 1 / 1.03;

std::string heading_of(std::string_view work) {
    if (work == "loop") return "loop: malloc, write every byte, free";
    if (work == "touch") return "touch: malloc, write a byte of every page, free";
    if (work == "fresh") return "fresh: malloc, write every byte, keep it (first use of its pages)";
    if (work == "realloc_double") {
        return "realloc_double: a block grows from 64 KiB by doubling, every byte written";
    }
    if (work == "realloc_tenth") {
        return "realloc_tenth: a block grows from 64 KiB by steps of a tenth, every byte written";
    }
    if (work == "update") return "update: the words of a block that stays, in random order";
    if (work == "copy") return "copy: one half of a block that stays over the other";
    if (work == "threads") return "threads: two threads do `loop` at once";
    return "fork: fork and exec of /bin/true by a process with that much memory touched";
}

/// One way of one work and size.
struct Runner {
    std::string way;
    std::vector<double> samples_us;
    bool verified = true;
    std::unique_ptr<BenchProgram> program;

    double run(std::string_view work, std::uint64_t bytes, std::uint64_t iterations) {
        const std::string answer = program->ask(fmt::format("{} {} {}", work, bytes, iterations));
        std::istringstream words(answer);
        int right = 0;
        double us = 0;
        if (!(words >> right >> us)) {
            throw Failure(
                fmt::format("{}: the program answered \"{}\"; it does not belong to this "
                            "tool, build both anew",
                            asked, answer));
        }
        verified = verified && right == 1;
        return us;
    }
};

/// Measures one work at one size in all ways, in turn.
class HeapCell {
public:
    HeapCell(const HeapBench& bench, std::span<const int> cpus, std::string_view work,
             std::uint64_t bytes)
        : bench_(bench), cpus_(cpus), work_(work), bytes_(bytes) {
        for (const std::string& way : bench.ways) {
            if (way != ours || !bench.library.empty()) runners_.push_back({way, {}, true, {}});
        }
    }

    void run(Report& report) {
        if (runners_.empty()) return;
        const int processes = stays() ? places * bench_.processes : bench_.processes;
        for (int process = 0; process < processes; ++process) measure();
        const int threads = work_ == "threads" ? 2 : 1;
        const std::uint64_t written =
            work_ == "fork" ? 0 : bytes_ * static_cast<std::uint64_t>(threads);
        for (Runner& runner : runners_) {
            report.rows.push_back(make_row("heap", work_, runner.way, threads, bytes_, written,
                                           runner.samples_us, runner.verified));
        }
    }

private:
    /// Where nothing is allocated inside the clock, malloc decides only where the pages lie.
    [[nodiscard]] bool stays() const { return work_ == "update" || work_ == "copy"; }

    /// Fresh processes: where their pages lie in the caches is drawn anew.
    void measure() {
        double us = 0.01;
        for (Runner& runner : runners_) {
            runner.program = start(runner.way);
            runner.run(work_, bytes_, 1);                     // warms up
            us = std::max(us, runner.run(work_, bytes_, 2));  // and tells how many make a block
        }
        double iterations = std::clamp(std::ceil(bench_.block_us / us), 1.0, 1e5);
        auto fit = static_cast<int>(bench_.budget_us / (us * iterations));
        if (work_ == "fresh") {
            // All of them stay; three iterations were before.
            const double all = std::max(1.0, static_cast<double>(fresh_bytes / bytes_) - 3);
            fit = std::min(fit, static_cast<int>(all));
            iterations =
                std::clamp(iterations, 1.0, std::max(1.0, std::floor(all / bench_.blocks)));
        }
        if (stays()) fit /= places;
        const int blocks = std::clamp(fit, std::min(2, bench_.blocks), bench_.blocks);
        for (int block = 0; block < blocks; ++block) {
            for (std::size_t i = 0; i < runners_.size(); ++i) {
                // The first of a pair is not always the same.
                Runner& runner = runners_[(i + static_cast<std::size_t>(block)) % runners_.size()];
                runner.samples_us.push_back(
                    runner.run(work_, bytes_, static_cast<std::uint64_t>(iterations)));
            }
        }
        for (Runner& runner : runners_) runner.program.reset();
    }

    [[nodiscard]] std::unique_ptr<BenchProgram> start(std::string_view way) const {
        std::vector<std::string> command{bench_.driver};
        const std::size_t used = work_ == "threads" ? 2 : 1;
        for (std::size_t i = 0; i < std::min(used, cpus_.size()); ++i) {
            command.push_back(std::to_string(cpus_[i]));
        }
        return std::make_unique<BenchProgram>(std::string(asked), command,
                                              way == ours ? bench_.library : std::string());
    }

    const HeapBench& bench_;
    std::span<const int> cpus_;
    std::string work_;
    std::uint64_t bytes_;
    std::vector<Runner> runners_;
};

std::string first_line(const char* path) {
    std::ifstream file(path);
    std::string line;
    return std::getline(file, line) ? line : "not there";
}

void describe_conditions(const HeapBench& bench, bool with_ours, std::span<const int> cpus,
                         Report& report) {
    std::vector<std::string>& notes = report.notes;
    if (cpus.empty()) {
        notes.emplace_back("The programs are not bound to cores.");
    } else {
        notes.push_back(fmt::format("The programs of both ways share core {}{}.", cpus[0],
                                    cpus.size() > 1
                                        ? fmt::format(", their second threads core {}", cpus[1])
                                        : std::string()));
    }
    notes.push_back(fmt::format(
        "The ways take turns by blocks of {:.0f} ms; a sample is the mean of a block's "
        "iterations. Every work and size has {} fresh processes of each way (update and "
        "copy {}: there malloc decides only where the pages lie); what was written is "
        "verified outside the clock at the end of a block.",
        bench.block_us / 1e3, bench.processes, places * bench.processes));
    notes.push_back(
        fmt::format("Huge pages: transparent_hugepage/enabled \"{}\", shmem_enabled \"{}\".",
                    first_line("/sys/kernel/mm/transparent_hugepage/enabled"),
                    first_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled")));
    notes.emplace_back(
        "ranks are threads; GB/s are bytes written. Growing blocks end at the largest size.");
    if (!with_ours) {
        notes.emplace_back(
            "onecopy is left out: libonecopy_heap.so is not built or not installed.");
    }
    notes.emplace_back(
        "Not measured: more than two threads, several NUMA nodes, real programs "
        "(scripts/heap_programs.py), a machine short of memory.");
}

std::vector<std::uint64_t> sizes_of(const HeapBench& bench, std::string_view work) {
    if (work == "fork") return bench.fork_sizes;
    if (work.starts_with("realloc")) return {bench.sizes.back()};
    return bench.sizes;
}

struct HeapOptions {
    std::string works = "all";
    std::string ways = "all";
    std::string sizes = "64K,256K,1M,4M,16M,64M";
    bool quick = false;
    ReportFiles files;
};

HeapBench checked(const HeapOptions& options) {
    HeapBench bench;
    bench.works = parse_choice(asked, "--works", options.works, works);
    bench.ways = parse_choice(asked, "--ways", options.ways, ways);
    bench.sizes = parse_sizes(asked, options.sizes, max_bytes);
    if (options.quick) {
        bench.processes = 2;
        bench.blocks = 5;
        bench.block_us = 2'000;
        bench.budget_us = 50'000;
    }
    options.files.check(asked);
    find_heap_programs(bench);
    return bench;
}

constexpr std::string_view footer =
    "Works:\n"
    "  loop            malloc, write every byte, free\n"
    "  touch           malloc, write a byte of every page, free\n"
    "  fresh           malloc, write every byte, keep it\n"
    "  realloc_double  a block grows from 64 KiB to the largest size by doubling\n"
    "  realloc_tenth   the same by steps of a tenth\n"
    "  update          the words of a block that stays are changed in random order\n"
    "  copy            one half of a block that stays is copied over the other\n"
    "  threads         two threads do `loop` at once\n"
    "  fork            fork and exec, with nothing and with 1 GiB touched\n"
    "Ways:\n"
    "  malloc          the program as it is\n"
    "  onecopy         with libonecopy_heap.so preloaded\n"
    "\n"
    "Examples:\n"
    "  onecopy bench heap                                 all of it, about a minute\n"
    "  onecopy bench heap --works loop --sizes 1M,64M --json a.json\n";

}  // namespace

void find_heap_programs(HeapBench& bench) {
    bench.driver = find_beside_tool("onecopy-heap-driver");
    bench.library = find_beside_tool("libonecopy_heap.so");
}

std::span<const std::string_view> heap_work_names() noexcept { return works; }
std::span<const std::string_view> heap_way_names() noexcept { return ways; }

Report run_heap_bench(const HeapBench& bench, std::FILE* out) {
    if (bench.driver.empty()) {
        throw Failure(fmt::format(
            "{}: find onecopy-heap-driver: not built or not installed; build onecopy anew", asked));
    }
    const std::vector<int> cpus = usable_cpus();
    Report report;
    report.title = "onecopy bench heap";
    report.machine = this_machine();
    const bool wanted = std::find(bench.ways.begin(), bench.ways.end(), ours) != bench.ways.end();
    describe_conditions(bench, !wanted || !bench.library.empty(), cpus, report);
    for (const std::string& work : bench.works) {
        const std::size_t first = report.rows.size();
        for (const std::uint64_t bytes : sizes_of(bench, work)) {
            HeapCell(bench, cpus, work, bytes).run(report);
        }
        print_rows(out, heading_of(work), std::span(report.rows).subspan(first), plain);
    }
    return report;
}

std::vector<Verdict> judge_heap(std::span<const Row> rows) {
    std::vector<Verdict> verdicts;
    for (const Row& row : rows) {
        if (row.work != "loop" || row.way != ours || row.bytes < smallest_judged ||
            row.bytes > largest_judged) {
            continue;
        }
        const Row* rival = find_row(rows, row.work, plain, row.ranks, row.bytes);
        if (rival == nullptr) continue;
        verdicts.push_back(compare(fmt::format("loop of {}: speed with onecopy's malloc over that "
                                               "with the plain one",
                                               human_bytes(row.bytes)),
                                   row, *rival, limit));
    }
    return verdicts;
}

void add_bench_heap(CLI::App& bench, int& exit_status) {
    CLI::App& command = add_command(
        bench, "heap", "A program's malloc, with and without ours preloaded", std::string(footer));
    auto options = std::make_shared<HeapOptions>();
    command.add_option("--works", options->works, "What is to be done")
        ->type_name("LIST")
        ->capture_default_str();
    command.add_option("--ways", options->ways, "By which malloc")
        ->type_name("LIST")
        ->capture_default_str();
    command.add_option("--sizes", options->sizes, "Bytes of a block, with K, M or G")
        ->type_name("LIST")
        ->capture_default_str();
    command.add_flag("--quick", options->quick, "A tenth of the time, wider spread");
    options->files.add_options(command);
    when_asked(command, asked, std::move(options), exit_status, [](const HeapOptions& typed) {
        Report report = run_heap_bench(checked(typed), stdout);
        report.verdicts = judge_heap(report.rows);
        return report;
    });
}

}  // namespace onecopy::cli
