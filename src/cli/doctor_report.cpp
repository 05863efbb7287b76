#include "cli/doctor_report.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "cli/terminal.hpp"

namespace onecopy::cli {
namespace {

using nlohmann::ordered_json;

constexpr std::array<std::string_view, way_count> way_descriptions{
    "system call: copies from there in one step",
    "system call: copies to there in one step",
    "file: copies from there in two steps",
    "file: copies to there in two steps; cannot hit a recycled process number",
    "file: also into read-only pages, as debuggers do; onecopy never does",
    "a handle on a process that cannot be recycled",
    "takes a descriptor out of another process",
    "memory that the other process hands out (inherited, SCM_RIGHTS)",
    "pages that the other process lends through a pipe",
    "optional kernel module",
};

std::string_view name_of(Way way) { return way_names[static_cast<std::size_t>(way)]; }

std::string_view state_text(char state) {
    switch (state) {
        case 'R':
            return "running";
        case 'S':
            return "sleeping";
        case 'D':
            return "waiting for a device";
        case 'T':
            return "stopped";
        case 't':
            return "stopped by a debugger";
        case 'Z':
            return "ended";
        case 'X':
            return "ended";
        case 'I':
            return "idle";
        default:
            return "in an unknown state";
    }
}

std::string_view verdict_text(Verdict verdict) {
    switch (verdict) {
        case Verdict::open:
            return "works";
        case Verdict::cooperative:
            return "with its help";
        case Verdict::refused:
            return "refused";
        case Verdict::absent:
            return "not here";
        case Verdict::not_tried:
            break;
    }
    return "not tried";
}

/// Breaks `text` at blanks so that no line is longer than `width`. The first line goes on behind
/// what stands there already; the others are indented.
std::string wrapped(std::string_view text, std::size_t indent, std::size_t width) {
    std::string out;
    std::size_t column = indent;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        const std::string_view word = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (column > indent && column + 1 + word.size() > width) {
            out += '\n';
            out.append(indent, ' ');
            column = indent;
        } else if (column > indent) {
            out += ' ';
            ++column;
        }
        out += word;
        column += word.size();
    }
    return out;
}

std::string ids_text(const os::Ids& ids) {
    if (ids.real == ids.effective && ids.real == ids.saved) return std::to_string(ids.real);
    return fmt::format("{}/{}/{}", ids.real, ids.effective, ids.saved);
}

std::string machine_text(const KernelFacts& kernel) {
    std::string text = fmt::format("Linux {} ({})", kernel.release, kernel.machine);
    text += kernel.yama_scope ? fmt::format(", Yama with ptrace_scope {}", *kernel.yama_scope)
                              : std::string(", no Yama");
    if (!kernel.security_modules.empty()) {
        text += fmt::format(", security modules {}", fmt::join(kernel.security_modules, " "));
    }
    return text;
}

std::string caller_text(const CallerFacts& caller) {
    using os::cap_sys_ptrace;
    std::string text =
        fmt::format("uid {}, gid {}", ids_text(caller.status.uid), ids_text(caller.status.gid));
    if (os::has_capability(caller.status.effective, cap_sys_ptrace)) {
        text += ", with CAP_SYS_PTRACE";
    } else if (os::has_capability(caller.status.permitted, cap_sys_ptrace)) {
        text += ", CAP_SYS_PTRACE permitted but not effective";
    } else {
        text += ", without CAP_SYS_PTRACE";
    }
    text += caller.status.seccomp != 0 ? ", under a seccomp filter" : ", no seccomp filter";
    if (!caller.label.empty()) text += fmt::format(", labelled \"{}\"", caller.label);
    return text;
}

std::string target_text(const TargetFacts& target) {
    if (!target.in_proc) return fmt::format("process {}", target.pid);
    const os::ProcessStatus& status = target.status;
    std::string text =
        fmt::format("process {} ({}): uid {}, gid {}, {} thread{}, {}", target.pid,
                    printable(status.name), ids_text(status.uid), ids_text(status.gid),
                    status.threads, status.threads == 1 ? "" : "s", state_text(status.state));
    if (status.ns_pids.size() > 1) {
        text += fmt::format(", number {} in its own pid namespace", status.ns_pids.back());
    }
    if (!target.label.empty()) text += fmt::format(", labelled \"{}\"", target.label);
    return text;
}

/// One guard, with all the ways that it closes.
struct Obstacle {
    const Reason* reason;
    std::vector<Way> ways;
};

std::vector<Obstacle> obstacles(const Diagnosis& diagnosis) {
    std::vector<Obstacle> list;
    for (const Finding& finding : diagnosis.ways) {
        if (finding.verdict != Verdict::refused) continue;
        for (const Reason& reason : finding.reasons) {
            const auto known = std::find_if(list.begin(), list.end(), [&](const Obstacle& one) {
                return one.reason->what == reason.what && one.reason->remedy == reason.remedy;
            });
            if (known != list.end()) {
                known->ways.push_back(finding.way);
            } else {
                list.push_back({&reason, {finding.way}});
            }
        }
    }
    return list;
}

std::string reasons_text(const std::vector<Reason>& reasons, std::size_t width) {
    std::string text;
    for (const Reason& reason : reasons) {
        text += "  - " + wrapped(reason.what, 4, width) + "\n";
        if (!reason.remedy.empty())
            text += "    " + wrapped("-> " + reason.remedy, 7, width) + "\n";
    }
    return text;
}

std::string headline(const Facts& facts, const Diagnosis& diagnosis) {
    if (!facts.target) {
        if (diagnosis.readable() && diagnosis.writable()) {
            return diagnosis.unrelated.verdict == Verdict::open
                       ? "Other processes of the same user can be read and written here."
                       : "Own children can be read and written here, unrelated processes cannot.";
        }
        return "Not even a child of this process can be read and written here.";
    }
    const int pid = facts.target->pid;
    if (diagnosis.readable() && diagnosis.writable()) {
        return fmt::format("Process {} can be read and written.", pid);
    }
    if (diagnosis.readable()) return fmt::format("Process {} can be read, but not written.", pid);
    if (diagnosis.writable()) return fmt::format("Process {} can be written, but not read.", pid);
    return fmt::format("Process {} cannot be reached: {}.", pid,
                       one_line(diagnosis[Way::process_vm_readv].reasons));
}

std::string features_text(const Diagnosis& diagnosis, std::size_t width) {
    std::string text = "\nFeatures of the kernel that make something better where they exist:\n";
    for (const FeatureFinding& feature : diagnosis.features) {
        const std::string name = fmt::format("{} ({})", feature.name, feature.since);
        text += fmt::format("  {:<4}{:<34}", feature.works ? "yes" : "no", name);
        text += wrapped(fmt::format("{}{}", feature.works ? "without it " : "", feature.without),
                        40, width);
        text += "\n";
    }
    return text;
}

ordered_json reasons_json(const std::vector<Reason>& reasons) {
    ordered_json list = ordered_json::array();
    for (const Reason& reason : reasons) {
        list.push_back({{"guard", guard_name(reason.guard)},
                        {"what", reason.what},
                        {"remedy", reason.remedy}});
    }
    return list;
}

ordered_json ids_json(const os::Ids& ids) {
    return {{"real", ids.real}, {"effective", ids.effective}, {"saved", ids.saved}, {"fs", ids.fs}};
}

ordered_json target_json(const TargetFacts& target) {
    ordered_json json{{"pid", target.pid}, {"exists", target.exists}, {"visible", target.in_proc}};
    if (!target.in_proc) return json;
    json["name"] = target.status.name;
    json["state"] = std::string(1, target.status.state);
    json["threads"] = target.status.threads;
    json["uid"] = ids_json(target.status.uid);
    json["gid"] = ids_json(target.status.gid);
    json["capabilities"] = os::capability_names(target.status.permitted);
    json["pid_namespace_numbers"] = target.status.ns_pids;
    json["user_namespace"] = target.user_namespace == SameNamespace::yes  ? "same"
                             : target.user_namespace == SameNamespace::no ? "other"
                                                                          : "unknown";
    json["label"] = target.label;
    return json;
}

}  // namespace

std::string doctor_text(const Facts& facts, const Diagnosis& diagnosis, std::size_t width) {
    std::string text = wrapped(headline(facts, diagnosis), 0, width) + "\n\n";
    text += "  machine   " + wrapped(machine_text(facts.kernel), 12, width) + "\n";
    text += "  caller    " + wrapped(caller_text(facts.caller), 12, width) + "\n";
    if (facts.target)
        text += "  target    " + wrapped(target_text(*facts.target), 12, width) + "\n";
    if (diagnosis.kernel_too_old) {
        text += wrapped(fmt::format("\nThis kernel is older than {}.{}, the oldest that onecopy is "
                                    "made for: use a newer one.",
                                    least_kernel_major, least_kernel_minor),
                        0, width) +
                "\n";
    }
    text += facts.target
                ? "\nWays to its memory:\n"
                : "\nWays to another process's memory, tried on a child of this process:\n";
    for (const Finding& finding : diagnosis.ways) {
        const std::size_t way = static_cast<std::size_t>(finding.way);
        text += fmt::format("  {:<15}{:<21}", verdict_text(finding.verdict), way_names[way]);
        std::string note(way_descriptions[way]);
        if (finding.verdict == Verdict::not_tried && !finding.reasons.empty()) {
            note = finding.reasons.front().what;
        }
        text += wrapped(note, 38, width) + "\n";
    }
    const std::vector<Obstacle> found = obstacles(diagnosis);
    if (!found.empty()) text += "\nWhat refuses, and the least that helps (->):\n";
    for (const Obstacle& obstacle : found) {
        std::vector<std::string_view> names;
        std::transform(obstacle.ways.begin(), obstacle.ways.end(), std::back_inserter(names),
                       name_of);
        text += reasons_text({*obstacle.reason}, width);
        text +=
            "    " + wrapped(fmt::format("(closes {})", fmt::join(names, ", ")), 4, width) + "\n";
    }
    if (!facts.target) {
        text += "\nA process of the same user that this one did not start:\n";
        text += diagnosis.unrelated.verdict == Verdict::open
                    ? "  works\n"
                    : "  refused\n" + reasons_text(diagnosis.unrelated.reasons, width);
        text += features_text(diagnosis, width);
    }
    return text;
}

ordered_json doctor_json(const Facts& facts, const Diagnosis& diagnosis) {
    ordered_json json;
    json["readable"] = diagnosis.readable();
    json["writable"] = diagnosis.writable();
    json["machine"] = {
        {"kernel", facts.kernel.release},
        {"architecture", facts.kernel.machine},
        {"kernel_too_old", diagnosis.kernel_too_old},
        {"yama_scope",
         facts.kernel.yama_scope ? ordered_json(*facts.kernel.yama_scope) : ordered_json(nullptr)},
        {"security_modules", facts.kernel.security_modules}};
    json["caller"] = {{"pid", facts.caller.status.pid},
                      {"uid", ids_json(facts.caller.status.uid)},
                      {"gid", ids_json(facts.caller.status.gid)},
                      {"permitted", os::capability_names(facts.caller.status.permitted)},
                      {"effective", os::capability_names(facts.caller.status.effective)},
                      {"seccomp", facts.caller.status.seccomp},
                      {"label", facts.caller.label},
                      {"proc_mounted", facts.caller.proc_mounted},
                      {"proc_is_ours", facts.caller.proc_is_ours}};
    json["target"] = facts.target ? target_json(*facts.target) : ordered_json(nullptr);
    json["ways"] = ordered_json::array();
    for (const Finding& finding : diagnosis.ways) {
        json["ways"].push_back({{"way", name_of(finding.way)},
                                {"verdict", verdict_name(finding.verdict)},
                                {"reasons", reasons_json(finding.reasons)}});
    }
    if (!facts.target) {
        json["unrelated_process"] = {{"verdict", verdict_name(diagnosis.unrelated.verdict)},
                                     {"reasons", reasons_json(diagnosis.unrelated.reasons)}};
    }
    json["features"] = ordered_json::array();
    for (const FeatureFinding& feature : diagnosis.features) {
        json["features"].push_back({{"feature", feature.name},
                                    {"since", feature.since},
                                    {"works", feature.works},
                                    {"without", feature.without}});
    }
    return json;
}

}  // namespace onecopy::cli
