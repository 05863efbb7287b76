// How the command of a bench ends, whichever bench it is.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string_view>
#include <utility>

#include "cli/bench_options.hpp"
#include "cli/bench_report.hpp"
#include "cli/output.hpp"

namespace onecopy::cli {

/// Has `command` measure when it is given: refuses what else is on the line, lets `measure` make
/// the report of the options (its verdicts with it), and finishes that. `Options` has the report's
/// `files`. `asked`, of static lifetime, opens the lines of what is refused.
template <class Options, class Measure>
void when_asked(CLI::App& command, std::string_view asked, std::shared_ptr<Options> options,
                int& exit_status, Measure measure) {
    command.allow_extras();  // refused below, in our words
    command.callback([=, options = std::move(options), &command, &exit_status] {
        refuse_rest(asked, command);
        refuse_closed_output(asked);
        const Report report = measure(std::as_const(*options));
        finish_report(stdout, asked, report, options->files);
        exit_status = 0;
    });
}

}  // namespace onecopy::cli
