// The command line of `onecopy bench p2p`.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <sstream>

#include "cli/bench_options.hpp"
#include "cli/bench_p2p.hpp"
#include "cli/bench_p2p_ways.hpp"
#include "cli/errors.hpp"
#include "cli/tool.hpp"

namespace onecopy::cli {
namespace {

constexpr std::string_view asked = "bench p2p";
constexpr std::uint64_t max_bytes = std::uint64_t{64} << 20;
constexpr int max_ranks = 16;
constexpr int max_rounds = 10'000;

struct P2pOptions {
    std::string works = "all";
    std::string ways = "all";
    std::string sizes;
    std::string ranks = "2,4,8";
    int repetitions = 0;
    bool quick = false;
    ReportFiles files;
};

std::vector<int> parse_ranks(const std::string& text) {
    std::vector<int> ranks;
    std::stringstream words(text);
    for (std::string word; std::getline(words, word, ',');) {
        int number = 0;
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
        if (error != std::errc() || end != word.data() + word.size() || number < 2 ||
            number > max_ranks || number % 2 != 0) {
            throw WrongInput(
                fmt::format("{}: --ranks {}: '{}' is no even number from 2 to {}; write 2,4", asked,
                            text, word, max_ranks));
        }
        ranks.push_back(number);
    }
    if (ranks.empty()) {
        throw WrongInput(fmt::format("{}: --ranks: none is named; write 2,4", asked));
    }
    std::sort(ranks.begin(), ranks.end());
    ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
    return ranks;
}

P2pBench checked(const P2pOptions& options) {
    P2pBench bench;
    const auto chosen = [](std::string_view what, const std::string& text,
                           std::span<const std::string_view> known) {
        if (text == "all") return std::vector<std::string>(known.begin(), known.end());
        return parse_names(asked, what, text, known);
    };
    bench.works = chosen("--works", options.works, p2p_work_names());
    bench.ways = chosen("--ways", options.ways, p2p_way_names());
    if (!options.sizes.empty()) bench.sizes = parse_sizes(asked, options.sizes, max_bytes);
    bench.ranks = parse_ranks(options.ranks);
    if (options.repetitions < 0 || options.repetitions > max_rounds) {
        throw WrongInput(fmt::format("{}: --repetitions {}: choose from 0 to {}", asked,
                                     options.repetitions, max_rounds));
    }
    bench.rounds = options.repetitions;
    if (options.quick) {
        bench.budget_ms /= 10;
        bench.least_rounds = 3;
    }
    options.files.check(asked);
    return bench;
}

constexpr std::string_view footer =
    "Works:\n"
    "  latency         half of a message to and fro\n"
    "  bandwidth       one message one way\n"
    "  bandwidth_cold  the same, with both buffers in no cache\n"
    "  bidirectional   a message each way at once\n"
    "  stream          64 messages one way, all under way at once\n"
    "  message_rate    8-byte messages in windows of 64\n"
    "  incast          all ranks but the first send it a message at once (4 ranks and more)\n"
    "Ways:\n"
    "  memcpy            one core's memcpy through memory that both have mapped: the ceiling\n"
    "  onecopy           this library's communicator, messages in its arena\n"
    "  onecopy-ordinary  the same, messages in memory that nobody prepared\n"
    "  openmpi, mpich    as installed\n"
    "  openmpi-nocma     with --mca btl_vader_single_copy_mechanism none\n"
    "  mpich-posix       with UCX_TLS=posix,self\n"
    "  zeromq            PAIR sockets over ipc://\n"
    "  boost             a Boost.Interprocess message queue\n"
    "  boost-offset      its managed shared memory: an offset is handed over, nothing copied\n"
    "  iceoryx           loan and publish: nothing copied\n"
    "  unix, pipe        a Unix stream socket; pipes\n"
    "More than two ranks work in pairs at the same time; more ranks than cores share them.\n"
    "\n"
    "Examples:\n"
    "  onecopy bench p2p                                  all of it, about two minutes\n"
    "  onecopy bench p2p --ranks 2 --works bandwidth --sizes 64K,1M --json a.json\n";

}  // namespace

void add_bench_p2p(CLI::App& bench, int& exit_status) {
    CLI::App& command =
        add_command(bench, "p2p", "Messages between two processes, ours beside MPI's and others'",
                    std::string(footer));
    auto options = std::make_shared<P2pOptions>();
    command.allow_extras();  // refused below, in our words
    command.add_option("--works", options->works, "What is to be done")
        ->type_name("LIST")
        ->capture_default_str();
    command.add_option("--ways", options->ways, "By which means")
        ->type_name("LIST")
        ->capture_default_str();
    command
        .add_option("--sizes", options->sizes,
                    "Bytes of a message, with K, M or G; otherwise what suits each work")
        ->type_name("LIST");
    command.add_option("--ranks", options->ranks, "Ranks of a job")
        ->type_name("LIST")
        ->capture_default_str();
    command
        .add_option("--repetitions", options->repetitions,
                    "Rounds of all ways at each point; 0: as many as fit into a second")
        ->type_name("N")
        ->capture_default_str();
    command.add_flag("--quick", options->quick, "A tenth of the time, wider spread");
    options->files.add_options(command);
    command.callback([options, &command, &exit_status] {
        refuse_rest(asked, command);
        Report report = run_p2p_bench(checked(*options), stdout);
        report.verdicts = judge_p2p(report.rows);
        finish_report(stdout, asked, report, options->files);
        exit_status = 0;
    });
}

}  // namespace onecopy::cli
