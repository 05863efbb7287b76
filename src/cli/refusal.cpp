#include "cli/refusal.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "cli/doctor_diagnose.hpp"
#include "cli/doctor_gather.hpp"
#include "cli/errors.hpp"
#include "cli/judge_region.hpp"

namespace onecopy::cli {
namespace {

std::string thread_of(int pid) {
    std::error_code error;
    const os::ProcessStatus status = os::read_process_status(pid, error);
    if (error || status.pid == status.tid) return {};
    return fmt::format("{} is the number of a thread; name its process, {}", pid, status.pid);
}

/// The order in which the library tries them: it writes into others through the file. Mappings are
/// listed under the rules of files.
std::array<Way, 2> ways_of(Direction direction) {
    switch (direction) {
        case Direction::read:
            return {Way::process_vm_readv, Way::proc_mem_read};
        case Direction::write:
            return {Way::proc_mem_write, Way::process_vm_writev};
        case Direction::list:
            break;
    }
    return {Way::proc_mem_read, Way::process_vm_readv};
}

std::string fault_reason(int pid, Direction direction, std::uint64_t address) {
    const std::string see_maps = fmt::format("`onecopy maps {}` shows what is", pid);
    std::error_code error;
    const std::vector<os::Region> regions = os::read_regions(os::memory_directory(pid), error);
    if (error) {
        return fmt::format("nothing is mapped at {:#x}, or it is protected; {}", address,
                           refusal_reason(pid, direction));
    }
    const auto at = std::find_if(regions.begin(), regions.end(),
                                 [&](const os::Region& region) { return address < region.end; });
    if (at == regions.end() || address < at->begin) {
        return fmt::format("nothing is mapped at {:#x}; {}", address, see_maps);
    }
    const std::string mapping =
        fmt::format("{:#x} lies in {} {}", address, permissions_text(*at), name_text(*at));
    if (direction == Direction::write && !at->writable) {
        return fmt::format(
            "{}, which the process itself may not write; choose a writable place: "
            "`onecopy maps {}`",
            mapping, pid);
    }
    if (direction == Direction::read) {
        const Judgement judgement = judge_region(*at, {});
        if (judgement.hazard == Hazard::not_readable) {
            return fmt::format("{}, which the process itself may not read; {}", mapping,
                               "`onecopy maps` shows with an r what may be read");
        }
        if (judgement.hazard == Hazard::kernel_pages || judgement.hazard == Hazard::device) {
            return fmt::format("{}: {}; there is no way to it", mapping, judgement.why);
        }
    }
    if (at->inode != 0) {
        return fmt::format("{}, beyond the end of that file; stop before it", mapping);
    }
    return fmt::format("{}, whose page the kernel does not hand out; skip it", mapping);
}

}  // namespace

std::string refusal_reason(int pid, Direction direction) {
    if (const std::string thread = thread_of(pid); !thread.empty()) return thread;
    Facts facts = gather_facts(false);
    facts.target = gather_target(facts.caller, pid);
    const Diagnosis diagnosis = diagnose(facts);
    for (const Way way : ways_of(direction)) {
        const Finding& finding = diagnosis[way];
        if (finding.verdict == Verdict::refused) return one_line(finding.reasons);
    }
    return "it was refused, but is permitted now; try again";
}

std::string stop_reason(int pid, Direction direction, std::uint64_t address,
                        std::error_code error) {
    switch (error.value()) {
        case EFAULT:
            return fault_reason(pid, direction, address);
        case EPERM:
        case EACCES:
        case ENOSYS:
            return refusal_reason(pid, direction);
        case ESRCH:
            return fmt::format(
                "process {} ended, or replaced itself by another program; check it "
                "with `ps {}`",
                pid, pid);
        default:
            return fmt::format("{}; try again", error.message());
    }
}

Process open_target(std::string_view asked, int pid, Direction direction, ProcessOptions options) {
    std::error_code error;
    Process process(pid, options, error);
    if (!error) error = process.access();
    if (!error) return process;
    if (error.value() == EMFILE || error.value() == ENFILE) {
        throw Failure(
            fmt::format("{}: no file descriptor is free; close some or raise `ulimit -n`", asked));
    }
    throw Failure(fmt::format("{}: {}", asked, refusal_reason(pid, direction)));
}

void refuse_endless_wait(std::string_view asked, int pid, std::uint64_t address,
                         std::uint64_t bytes) {
    const std::vector<os::Mount> mounts = mounts_of(pid);
    std::error_code error;
    for (const os::Region& region : os::read_maps(os::memory_directory(pid), error)) {
        if (region.end <= address || region.begin >= address + bytes) continue;
        const Judgement judgement = judge_region(region, mounts);
        if (!judgement.can_block()) continue;
        throw Failure(
            fmt::format("{}: {:#x} is {} ({}), where a reader can wait for ever and "
                        "cannot even be killed; leave it out, or insist with --all",
                        asked, std::max(address, region.begin), judgement.why, name_text(region)));
    }
}

}  // namespace onecopy::cli
