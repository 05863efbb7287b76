// onecopy plan COLLECTIVE [--ranks N] [--bytes LENGTH] [--topology TEXT] ...
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <string>

#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/errors.hpp"
#include "cli/output.hpp"
#include "cli/plan_drawing.hpp"
#include "cli/plan_figures.hpp"
#include "cli/plan_place.hpp"
#include "cli/plan_text.hpp"
#include "cli/tool.hpp"

namespace onecopy::cli {
namespace {

using schedule::Collective;
using schedule::Form;

constexpr int most_ranks = 4096;
constexpr std::uint64_t most_bytes = std::uint64_t{64} << 30;

struct PlanOptions {
    std::string collective, bytes = "1M", element = "8", plot;
    // Not the same as empty: that is what an unset variable of a script leaves.
    std::optional<std::string> ranks, root, form, rank, topology;
    bool json = false;
};

int parse_number(std::string_view option, const std::string& text, int least, int most) {
    int number = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, number);
    if (error != std::errc{} || stop != end || number < least || number > most) {
        throw WrongInput(fmt::format("plan: {} \"{}\": no number from {} to {}; give such a one",
                                     option, text, least, most));
    }
    return number;
}

std::uint64_t parse_bytes(std::string_view option, const std::string& text) {
    std::uint64_t bytes = 0;
    try {
        bytes = parse_length("plan", text);
    } catch (const WrongInput&) {
        throw WrongInput(fmt::format(
            "plan: {} \"{}\": no number of bytes; write 65536, 64K, 4M, ...", option, text));
    }
    if (bytes > most_bytes) {
        throw WrongInput(fmt::format("plan: {} {}: more than {}; give at most that many", option,
                                     text, bytes_text(most_bytes)));
    }
    return bytes;
}

template <class Names>
std::string choices(const Names& names) {
    return fmt::format("{}", fmt::join(names, ", "));
}

Collective parse_collective(const std::string& text) {
    const auto* const found = std::find(collective_names.begin(), collective_names.end(), text);
    if (found == collective_names.end()) {
        throw WrongInput(fmt::format("plan: \"{}\": no collective with a schedule; choose from {}",
                                     text, choices(collective_names)));
    }
    return static_cast<Collective>(found - collective_names.begin());
}

std::vector<Form> forms_of(Collective what) {
    std::vector<Form> forms;
    for (std::size_t i = 0; i < form_names.size(); ++i) {
        if (schedule::has_form(what, static_cast<Form>(i))) forms.push_back(static_cast<Form>(i));
    }
    return forms;
}

std::vector<Form> parse_forms(Collective what, const std::optional<std::string>& text) {
    const std::vector<Form> all = forms_of(what);
    if (!text) return all;
    for (const Form form : all) {
        if (name_of(form) == *text) return {form};
    }
    std::vector<std::string_view> names;
    for (const Form form : all) names.push_back(name_of(form));
    throw WrongInput(fmt::format("plan {}: --form \"{}\": there is no such; choose from {}",
                                 name_of(what), *text, choices(names)));
}

int parse_root(Collective what, const std::optional<std::string>& text, int ranks) {
    if (!text) return 0;
    if (!has_root(what)) {
        throw WrongInput(fmt::format("plan {}: --root {}: it has no root; leave --root out",
                                     name_of(what), *text));
    }
    return parse_number("--root", *text, 0, ranks - 1);
}

/// Of which the vector is to be a whole number.
std::uint64_t parse_element(const std::string& text) {
    const std::uint64_t bytes = parse_bytes("--element", text);
    if (bytes == 0) {
        throw WrongInput(
            fmt::format("plan: --element {}: an element has a byte at least; write 8", text));
    }
    return bytes;
}

/// The one that is listed or drawn, where none is asked for: what is best for bytes.
Form form_to_show(const std::vector<Form>& forms) {
    return forms.back() == Form::domains ? Form::domains : forms.front();
}

/// Readable for whom the umask lets: there is no secret in it.
void write_drawing(const std::string& path, const std::string& drawing) {
    std::ofstream file(path, std::ios::trunc | std::ios::binary);
    file << drawing << std::flush;
    if (!file) {
        throw Failure(fmt::format("plan: --plot {}: {}; name a file that can be written", path,
                                  std::strerror(errno)));
    }
}

void plan(const PlanOptions& options) {
    const Collective what = parse_collective(options.collective);
    const std::vector<Form> forms = parse_forms(what, options.form);
    const PlanMachine machine = plan_machine(options.topology);
    const int ranks = options.ranks ? parse_number("--ranks", *options.ranks, 1, most_ranks)
                                    : std::min(static_cast<int>(machine.cores.size()), most_ranks);
    const schedule::Domains domains(place_ranks(machine, ranks));
    schedule::Call call{what,
                        form_to_show(forms),
                        ranks,
                        parse_root(what, options.root, ranks),
                        parse_bytes("--bytes", options.bytes),
                        parse_element(options.element),
                        &domains};
    if (call.bytes % call.grain != 0) {
        throw WrongInput(
            fmt::format("plan: --bytes {}: no whole number of elements of {}; give a "
                        "multiple, or another --element",
                        options.bytes, bytes_text(call.grain)));
    }
    const int rank = options.rank ? parse_number("--rank", *options.rank, 0, ranks - 1) : -1;

    Output out("plan", {});
    if (rank >= 0 && !options.json && options.plot.empty()) {
        out.write(plan_steps(call, rank));
        return;
    }
    const PlanGroups groups(domains);
    std::vector<PlanFigures> figures;
    for (const Form form : forms) {
        schedule::Call of_form = call;
        of_form.form = form;
        figures.push_back(plan_figures(of_form, groups));
    }
    const Plan made{call, machine, groups, figures};
    if (!options.plot.empty()) {
        const auto drawn = std::find_if(figures.begin(), figures.end(),
                                        [&](const auto& one) { return one.form == call.form; });
        write_drawing(options.plot, plan_drawing(made, *drawn));
    }
    if (options.json) {
        out.write(plan_json(made, rank));
    } else {
        out.write(rank >= 0 ? plan_steps(call, rank) : plan_table(made));
    }
}

}  // namespace

void add_plan_command(CLI::App& app, int& exit_status) {
    CLI::App& command = add_command(
        app, "plan", "Show what each rank of a collective call does, on any machine",
        "Prints the schedules of a collective: the phases, and the bytes that leave an L3, a NUMA\n"
        "node and a package, for each form of the schedule side by side. Ranks are placed core by\n"
        "core. Nothing is run: the machine may be one that is not here.\n"
        "\n"
        "Examples:\n"
        "  onecopy plan allreduce --ranks 128 --bytes 4M \\\n"
        "      --topology \"package:2 numa:2 l3:4 core:8 pu:1\"\n"
        "  onecopy plan allgather --ranks 8 --form pull --rank 3      the steps of rank 3\n"
        "  onecopy plan bcast --topology \"package:2 l3:8 core:8 pu:1\" --plot bcast.svg\n");
    auto options = std::make_shared<PlanOptions>();
    command.add_option("COLLECTIVE", options->collective, choices(collective_names))
        ->required()
        ->type_name("");
    command
        .add_option("--ranks", options->ranks,
                    "How many (default: one on each core); with 4096, the most, it takes a minute")
        ->option_text("N");
    command
        .add_option("--bytes", options->bytes,
                    "Of the vector, or of one rank's block (default: 1M)")
        ->option_text("LENGTH");
    command.add_option("--element", options->element, "Bytes that are not cut (default: 8)")
        ->option_text("LENGTH");
    command.add_option("--root", options->root, "Of bcast, gather, scatter, reduce (default: 0)")
        ->option_text("RANK");
    command.add_option("--form", options->form, choices(form_names) + " (default: all)")
        ->option_text("FORM");
    command
        .add_option("--topology", options->topology,
                    "A machine as hwloc describes it (default: this one)")
        ->option_text("TEXT");
    command.add_option("--rank", options->rank, "List the steps of this rank")->option_text("RANK");
    command.add_flag("--json", options->json, "Print JSON");
    command.add_option("--plot", options->plot, "Draw the schedule into this SVG file, too")
        ->check(names_a_file())
        ->option_text("FILE");
    command.callback([options, &exit_status] {
        exit_status = 0;
        plan(*options);
    });
}

}  // namespace onecopy::cli
