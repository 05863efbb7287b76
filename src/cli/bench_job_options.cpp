#include "cli/bench_job_options.hpp"

#include <fmt/format.h>

#include <vector>

#include "cli/bench_options.hpp"
#include "cli/errors.hpp"

namespace onecopy::cli {
namespace {

constexpr int max_rounds = 10'000;
constexpr std::uint64_t max_bytes = std::uint64_t{64} << 20;
constexpr int max_ranks = 16;

}  // namespace

void JobOptions::add(CLI::App& command) {
    command.add_option("--works", works, "What is to be done")
        ->type_name("LIST")
        ->capture_default_str();
    command.add_option("--ways", ways, "By which means")->type_name("LIST")->capture_default_str();
    command
        .add_option("--sizes", sizes,
                    "Bytes of a message, with K, M or G; otherwise what suits each work")
        ->type_name("LIST");
    command.add_option("--ranks", ranks, "Ranks of a job")
        ->type_name("LIST")
        ->capture_default_str();
    command
        .add_option("--repetitions", repetitions,
                    "Rounds of all ways at each point; 0: as many as fit into a second")
        ->type_name("N")
        ->capture_default_str();
    command.add_flag("--quick", quick, "A tenth of the time, wider spread");
    files.add_options(command);
}

JobBench JobOptions::checked(const JobChoices& choices) const {
    const std::string_view asked = choices.asked;
    JobBench bench;
    bench.works = parse_choice(asked, "--works", works, choices.works);
    bench.ways = parse_choice(asked, "--ways", ways, names_of(choices.ways));
    if (sizes) bench.sizes = parse_sizes(asked, *sizes, max_bytes);
    bench.ranks = parse_ranks(asked, ranks, max_ranks, choices.even_ranks);
    if (repetitions < 0 || repetitions > max_rounds) {
        throw WrongInput(fmt::format("{}: --repetitions {}: choose from 0 to {}", asked,
                                     repetitions, max_rounds));
    }
    bench.rounds = repetitions;
    if (quick) {
        bench.budget_ms /= 10;
        bench.least_rounds = 3;
    }
    files.check(asked);
    return bench;
}

}  // namespace onecopy::cli
