#include "cli/page_plan.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>

#include "cli/judge_region.hpp"
#include "os/fd.hpp"

namespace onecopy::cli {
namespace {

using os::Fd;

/// Opens `path` if it leads to the very file that is mapped. Files only: opening anything else
/// could block or have effects.
Fd open_if_same(const std::string& path, const os::Region& region) {
    struct stat seen {};
    if (::stat(path.c_str(), &seen) != 0 || !S_ISREG(seen.st_mode) || seen.st_ino != region.inode ||
        major(seen.st_dev) != region.device_major || minor(seen.st_dev) != region.device_minor) {
        return Fd();
    }
    return Fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

/// The file behind a mapping, without asking the target: by the kernel's own link (a privilege), by
/// a descriptor that the target still has, or by its name.
Fd open_mapped_file(const std::string& proc, const os::Region& region) {
    Fd file =
        open_if_same(fmt::format("{}/map_files/{:x}-{:x}", proc, region.begin, region.end), region);
    if (file) return file;
    const std::string descriptors = proc + "/fd";
    const std::unique_ptr<DIR, int (*)(DIR*)> open(::opendir(descriptors.c_str()), ::closedir);
    while (const dirent* entry = open ? ::readdir(open.get()) : nullptr) {
        if (entry->d_name[0] == '.') continue;
        file = open_if_same(descriptors + "/" + entry->d_name, region);
        if (file) return file;
    }
    return open_if_same(proc + "/root" + region.name, region);
}

/// The parts of the mapping behind which its file has data.
std::optional<std::vector<PageRun>> data_runs(int file, const os::Region& region,
                                              std::uint64_t page) {
    std::vector<PageRun> runs;
    const std::uint64_t end = region.offset + region.bytes();
    for (std::uint64_t at = region.offset; at < end;) {
        const off_t data = ::lseek(file, static_cast<off_t>(at), SEEK_DATA);
        if (data < 0 && errno == ENXIO) break;  // nothing but a hole, or beyond the end
        if (data < 0) return std::nullopt;
        const off_t hole = ::lseek(file, data, SEEK_HOLE);
        if (hole < 0) return std::nullopt;
        const std::uint64_t first = static_cast<std::uint64_t>(data) / page * page;
        const std::uint64_t last =
            std::min(end, (static_cast<std::uint64_t>(hole) + page - 1) / page * page);
        if (first < last) {
            runs.push_back(
                {region.begin + (first - region.offset), region.begin + (last - region.offset)});
        }
        at = std::max(at + page, static_cast<std::uint64_t>(hole));
    }
    return runs;
}

}  // namespace

std::vector<PageRun> merged(const std::vector<PageRun>& a, const std::vector<PageRun>& b) {
    std::vector<PageRun> all(a);
    all.insert(all.end(), b.begin(), b.end());
    std::sort(all.begin(), all.end(),
              [](const PageRun& one, const PageRun& other) { return one.begin < other.begin; });
    return joined(all, 1);
}

std::vector<PageRun> joined(const std::vector<PageRun>& runs, std::uint64_t gap) {
    std::vector<PageRun> out;
    for (const PageRun& run : runs) {
        if (!out.empty() && run.begin < out.back().end + gap) {
            out.back().end = std::max(out.back().end, run.end);
        } else {
            out.push_back(run);
        }
    }
    return out;
}

PagePlan plan_pages(const std::string& proc_directory, const os::Region& region,
                    const std::vector<os::Mount>& mounts, os::PageMap& page_map, bool everything) {
    const PagePlan all{{{region.begin, region.end}}, 0};
    const bool shared_memory = is_shared_memory(region, mounts);
    const bool anonymous = region.inode == 0;
    // A page of an ordinary file that is not in the page table is in the file all the same. Where
    // the kernel tells nothing, reading an anonymous page that nobody touched is harmless.
    // Under userfaultfd an untouched page is what its server will make of it.
    const bool served = region.uffd_missing || region.uffd_minor;
    if (served || (!anonymous && (everything || !shared_memory))) return all;

    std::vector<PageRun> present;
    const bool known = page_map.for_each_present(region.begin, region.end,
                                                 [&](std::uint64_t begin, std::uint64_t end) {
                                                     present.push_back({begin, end});
                                                 });
    if (anonymous) return known ? PagePlan{joined(present, 1), 0} : all;

    if (!region.huge_pages) {  // for the hugetlb pool's files SEEK_DATA calls everything data
        const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
        if (const Fd file = open_mapped_file(proc_directory, region)) {
            if (const auto data = data_runs(file.get(), region, page)) {
                return {merged(present, *data), 0};
            }
        }
    }
    PagePlan plan{joined(present, 1), region.bytes()};
    for (const PageRun& run : plan.runs) plan.unknown_bytes -= run.bytes();
    return plan;
}

}  // namespace onecopy::cli
