#include "cli/dump.hpp"

#include <elf.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "cli/arguments.hpp"
#include "cli/errors.hpp"
#include "cli/interrupt.hpp"
#include "cli/progress.hpp"
#include "cli/refusal.hpp"
#include "cli/sparse_file.hpp"
#include "onecopy/transfer.hpp"
#include "os/process_status.hpp"

namespace onecopy::cli {
namespace {

constexpr std::uint64_t chunk_bytes = 1 << 20;

/// Gaps up to this length do not split a segment of a reserved region.
constexpr std::uint64_t segment_gap = 1 << 20;

constexpr CoreKind native_kind {
    sizeof(void*) == 8,
#if defined(__x86_64__)
        EM_X86_64
#elif defined(__aarch64__)
        EM_AARCH64
#elif defined(__riscv)
        EM_RISCV
#elif defined(__powerpc64__)
        EM_PPC64
#elif defined(__i386__)
        EM_386
#else
        EM_NONE
#endif
};

/// The kernel maps an ELF image of its own into every process, of the process's kind of code.
CoreKind kind_of(const Process& process, const std::vector<os::Region>& regions) {
    const auto vdso = std::find_if(regions.begin(), regions.end(), [](const os::Region& region) {
        return region.name == "[vdso]";
    });
    if (vdso == regions.end()) return native_kind;
    Elf32_Ehdr header{};  // its first fields are the same in both classes
    const Transfer moved =
        read(process, vdso->begin, std::as_writable_bytes(std::span(&header, 1)));
    if (moved.error || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return native_kind;
    return {header.e_ident[EI_CLASS] == ELFCLASS64, header.e_machine};
}

CoreProcess describe(int pid, const std::vector<os::Region>& regions) {
    CoreProcess core;
    const std::string proc = os::memory_directory(pid);
    std::error_code ignored;  // each part is a note that a debugger can do without
    const os::ProcessStatus status = os::read_process_status(pid, ignored);
    core.pid = pid;
    core.parent = status.parent;
    core.uid = status.uid.real;
    core.gid = status.gid.real;
    core.state = status.state;
    core.name = status.name;
    core.command = os::read_small_file(proc + "/cmdline", ignored);
    while (!core.command.empty() && core.command.back() == '\0') core.command.pop_back();
    std::replace(core.command.begin(), core.command.end(), '\0', ' ');
    core.auxv = os::read_small_file(proc + "/auxv", ignored);
    for (const os::Region& region : regions) {
        if (region.inode == 0 || !region.name.starts_with('/')) continue;
        core.files.push_back({region.begin, region.end, region.offset, region.name});
    }
    return core;
}

CoreSegment segment_of(const os::Region& region, PageRun run) {
    return {run.begin, run.bytes(), region.readable, region.writable, region.executable, 0};
}

/// Copies one run, page by page around what cannot be read.
class Copier {
public:
    Copier(std::string asked, const Process& process, SparseFile& file, Progress& progress)
        : asked_(std::move(asked)),
          process_(process),
          file_(file),
          progress_(progress),
          page_(static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))),
          chunk_(chunk_bytes) {}

    void copy(PageRun run, std::uint64_t file_offset) {
        for (std::uint64_t at = run.begin; at < run.end;) {
            if (InterruptGuard::interrupted()) {
                throw Failure(
                    fmt::format("{}: interrupted after {}; no file was left, start it "
                                "again",
                                asked_, bytes_text(result_.read_bytes)));
            }
            const std::span piece(chunk_.data(),
                                  std::min<std::uint64_t>(run.end - at, chunk_.size()));
            const Transfer moved = read(process_, at, piece);
            result_.read_bytes += moved.bytes;
            result_.stored_bytes +=
                file_.write_sparse(piece.first(moved.bytes), file_offset + (at - run.begin));
            at += moved.bytes;
            if (moved.error) at = skip_page(at, run.end, moved.error);
            progress_.update(result_.read_bytes + result_.unreadable_bytes);
        }
    }

    void stop_if_interrupted() const {
        if (!InterruptGuard::interrupted()) return;
        throw Failure(fmt::format("{}: interrupted after {}; no file was left, start it again",
                                  asked_, bytes_text(result_.read_bytes)));
    }

    [[nodiscard]] const DumpResult& result() const noexcept { return result_; }

private:
    /// Where to go on behind the page at `at` that could not be read.
    std::uint64_t skip_page(std::uint64_t at, std::uint64_t end, std::error_code error) {
        if (error.value() != EFAULT) {
            throw Failure(fmt::format("{}: stopped after {}, no file was left: {}", asked_,
                                      bytes_text(result_.read_bytes),
                                      stop_reason(process_.pid(), Direction::read, at, error)));
        }
        const std::uint64_t next = std::min(end, (at / page_ + 1) * page_);
        result_.unreadable_bytes += next - at;
        return next;
    }

    std::string asked_;
    const Process& process_;
    SparseFile& file_;
    Progress& progress_;
    std::uint64_t page_;
    std::vector<std::byte> chunk_;
    DumpResult result_;
};

}  // namespace

void add_region(DumpPlan& plan, const os::Region& region, const PagePlan& pages) {
    std::uint64_t planned = 0;
    for (const PageRun& run : pages.runs) planned += run.bytes();
    plan.runs.insert(plan.runs.end(), pages.runs.begin(), pages.runs.end());
    plan.runs_bytes += planned;
    plan.unknown_bytes += pages.unknown_bytes;
    plan.untouched_bytes += region.bytes() - planned - pages.unknown_bytes;
    if (region.bytes() < reserved_bytes) {
        plan.segments.push_back(segment_of(region, {region.begin, region.end}));
        return;
    }
    for (const PageRun& run : joined(pages.runs, segment_gap)) {
        plan.segments.push_back(segment_of(region, run));
    }
}

DumpPlan plan_dump(const std::string& asked, int pid, bool everything) {
    const std::string proc = os::memory_directory(pid);
    std::error_code error;
    const std::vector<os::Region> regions = os::read_regions(proc, error);
    if (error || regions.empty()) {
        throw Failure(fmt::format("{}: {}", asked, refusal_reason(pid, Direction::list)));
    }
    const std::vector<os::Mount> mounts = mounts_of(pid);
    os::PageMap page_map(proc);
    DumpPlan plan;
    for (const os::Region& region : regions) {
        Judgement judgement = judge_region(region, mounts);
        if (judgement.hazard == Hazard::none || (everything && judgement.can_block())) {
            add_region(plan, region, plan_pages(proc, region, mounts, page_map, everything));
        } else {
            plan.left_out.push_back({region, std::move(judgement)});
        }
    }
    return plan;
}

DumpResult write_dump(const std::string& asked, const Process& process, const std::string& path,
                      DumpPlan& plan) {
    std::error_code error;
    const std::vector<os::Region> regions =
        os::read_maps(os::memory_directory(process.pid()), error);
    CoreLayout layout;
    try {
        layout =
            layout_core(kind_of(process, regions), describe(process.pid(), regions), plan.segments);
    } catch (const std::length_error&) {
        throw Failure(
            fmt::format("{}: its memory and the headers do not fit into the 4 GiB of a "
                        "32-bit core file; read parts of it with `onecopy read`",
                        asked));
    }
    SparseFile file(asked, path, layout.total_bytes);
    file.write(std::as_bytes(std::span(layout.headers)), 0);
    Progress progress(fmt::format("dump {}", process.pid()), plan.runs_bytes);
    Copier copier(asked, process, file, progress);
    auto segment = plan.segments.begin();
    for (const PageRun& run : plan.runs) {
        while (run.begin >= segment->address + segment->bytes) ++segment;
        copier.copy(run, segment->file_offset + (run.begin - segment->address));
    }
    copier.stop_if_interrupted();
    progress.clear();
    file.keep();
    return copier.result();
}

}  // namespace onecopy::cli
