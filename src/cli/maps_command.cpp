// onecopy maps PID [--json]
#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/errors.hpp"
#include "cli/judge_region.hpp"
#include "cli/refusal.hpp"
#include "cli/tool.hpp"
#include "os/process_status.hpp"

namespace onecopy::cli {
namespace {

struct MapsOptions {
    std::string pid;
    bool json = false;
};

nlohmann::ordered_json region_json(const os::Region& region, const Judgement& judgement) {
    return {{"begin", fmt::format("{:#x}", region.begin)},
            {"end", fmt::format("{:#x}", region.end)},
            {"bytes", region.bytes()},
            {"permissions", permissions_text(region)},
            {"offset", region.offset},
            {"device", fmt::format("{:02x}:{:02x}", region.device_major, region.device_minor)},
            {"inode", region.inode},
            {"name", region.name},
            {"readable_from_outside", judgement.hazard == Hazard::none},
            {"can_block_for_ever", judgement.can_block()},
            {"why", judgement.why}};
}

void print_table(const std::vector<os::Region>& regions, const std::vector<os::Mount>& mounts) {
    std::uint64_t total = 0;
    for (const os::Region& region : regions) {
        const Judgement judgement = judge_region(region, mounts);
        // That its protection forbids reading is to be seen.
        const bool remark =
            judgement.hazard != Hazard::none && judgement.hazard != Hazard::not_readable;
        fmt::print("{:012x}-{:012x} {} {:>10}  {}{}\n", region.begin, region.end,
                   permissions_text(region), bytes_text(region.bytes()), name_text(region),
                   remark
                       ? fmt::format("  ({}{})", judgement.why,
                                     judgement.can_block() ? ": can block a reader for ever" : "")
                       : "");
        total += region.bytes();
    }
    fmt::print("{} mappings, {}\n", regions.size(), bytes_text(total));
}

void run(const MapsOptions& options) {
    const int pid = parse_pid("maps", options.pid);
    const std::string asked = fmt::format("list the mappings of process {}", pid);
    std::error_code error;
    const std::vector<os::Region> regions = os::read_regions(os::memory_directory(pid), error);
    // Of a process that ended, and of the kernel's threads, the list is empty without an error.
    if (error || regions.empty()) {
        throw Failure(fmt::format("{}: {}", asked, refusal_reason(pid, Direction::list)));
    }
    const std::vector<os::Mount> mounts = mounts_of(pid);
    if (!options.json) {
        print_table(regions, mounts);
        return;
    }
    nlohmann::ordered_json json{{"pid", pid}, {"mappings", nlohmann::ordered_json::array()}};
    for (const os::Region& region : regions) {
        json["mappings"].push_back(region_json(region, judge_region(region, mounts)));
    }
    // Names of files may hold any bytes: replaced where they are no UTF-8.
    fmt::print("{}\n", json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace));
}

}  // namespace

void add_maps_command(CLI::App& app, int& exit_status) {
    CLI::App& command = add_command(
        app, "maps", "List what is mapped where in a process",
        "Address range, permissions (r read, w write, x execute, s shared or p private),\n"
        "size and name, with a remark where a reader would fail or could block for ever.\n");
    auto options = std::make_shared<MapsOptions>();
    command.add_option("PID", options->pid, "The process")->required()->type_name("");
    command.add_flag("--json", options->json, "Print the same, and more, as JSON");
    command.callback([options, &exit_status] {
        run(*options);
        exit_status = 0;
    });
}

}  // namespace onecopy::cli
