#include "os/page_map.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace onecopy::os {
namespace {

/// Kernel ABI, newer than Debian 12's headers. Source: Linux, include/uapi/linux/fs.h since 6.7.
struct ScanArgument {
    std::uint64_t size, flags, start, end, walk_end, vector, vector_length, max_pages;
    std::uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
struct ScanRegion {
    std::uint64_t start, end, categories;
};
constexpr unsigned long pagemap_scan = _IOWR('f', 16, ScanArgument);
constexpr std::uint64_t category_present = 1U << 3;
constexpr std::uint64_t category_swapped = 1U << 4;

/// The bits of an entry. Source: Linux, Documentation/admin-guide/mm/pagemap.rst.
constexpr std::uint64_t entry_present = std::uint64_t{1} << 63;
constexpr std::uint64_t entry_swapped = std::uint64_t{1} << 62;

}  // namespace

PageMap::PageMap(const std::string& proc_directory) noexcept
    : file_(::open((proc_directory + "/pagemap").c_str(), O_RDONLY | O_CLOEXEC)),
      page_(static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))) {}

bool PageMap::for_each_present(std::uint64_t begin, std::uint64_t end,
                               const std::function<void(std::uint64_t, std::uint64_t)>& visit) {
    if (!file_) return false;
    if (can_scan_) {
        const Answer answer = scan(begin, end, visit);
        if (answer != Answer::no_such_call) return answer == Answer::done;
        can_scan_ = false;
    }
    return walk(begin, end, visit);
}

PageMap::Answer PageMap::scan(std::uint64_t begin, std::uint64_t end,
                              const std::function<void(std::uint64_t, std::uint64_t)>& visit) {
    std::array<ScanRegion, 512> found;
    bool first = true;
    while (begin < end) {
        ScanArgument argument{};
        argument.size = sizeof argument;
        argument.start = begin;
        argument.end = end;
        argument.vector = reinterpret_cast<std::uintptr_t>(found.data());
        argument.vector_length = found.size();
        argument.category_anyof_mask = category_present | category_swapped;
        argument.return_mask = category_present;  // swapped or not: one run
        const int count = ::ioctl(file_.get(), pagemap_scan, &argument);
        if (count < 0) {
            if (errno == EINTR) continue;
            return first ? Answer::no_such_call : Answer::failed;
        }
        first = false;
        for (int i = 0; i < count; ++i) visit(found[i].start, found[i].end);
        if (argument.walk_end <= begin) return Answer::failed;
        begin = argument.walk_end;
    }
    return Answer::done;
}

bool PageMap::walk(std::uint64_t begin, std::uint64_t end,
                   const std::function<void(std::uint64_t, std::uint64_t)>& visit) {
    std::array<std::uint64_t, 8192> entries;
    std::uint64_t run = 0;  // where the open run began
    bool open = false;
    for (std::uint64_t at = begin; at < end;) {
        const auto pages =
            static_cast<std::size_t>(std::min<std::uint64_t>((end - at) / page_, entries.size()));
        const ssize_t got = ::pread(file_.get(), entries.data(), pages * sizeof entries[0],
                                    static_cast<off_t>(at / page_ * sizeof entries[0]));
        if (got < 0 && errno == EINTR) continue;
        const std::size_t count = got > 0 ? static_cast<std::size_t>(got) / 8 : 0;
        if (count == 0) return false;  // beyond the end of the address space, or gone
        for (std::size_t i = 0; i < count; ++i, at += page_) {
            const bool present = (entries[i] & (entry_present | entry_swapped)) != 0;
            if (present && !open) run = at;
            if (!present && open) visit(run, at);
            open = present;
        }
    }
    if (open) visit(run, end);
    return true;
}

}  // namespace onecopy::os
