// Which pages of a process exist, so that a reader need not make the others.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "os/fd.hpp"

namespace onecopy::os {

/// An open /proc/PID/pagemap. Not thread-safe.
class PageMap {
public:
    /// `proc_directory` as from memory_directory(). Empty if it may not be opened or the kernel was
    /// built without it.
    explicit PageMap(const std::string& proc_directory) noexcept;

    explicit operator bool() const noexcept { return static_cast<bool>(file_); }

    /// Calls `visit(begin, end)` for each run of pages in [begin, end) that are in memory or in
    /// swap, in order. Page-aligned. False if it could not be found out (nothing then is known
    /// beyond the last run). One call to the kernel for much (PAGEMAP_SCAN, Linux 6.7), else eight
    /// bytes a page are read.
    /// Says nothing about pages of a shared file or memfd that only others have touched.
    bool for_each_present(std::uint64_t begin, std::uint64_t end,
                          const std::function<void(std::uint64_t, std::uint64_t)>& visit);

private:
    enum class Answer { done, failed, no_such_call };
    Answer scan(std::uint64_t begin, std::uint64_t end,
                const std::function<void(std::uint64_t, std::uint64_t)>& visit);
    bool walk(std::uint64_t begin, std::uint64_t end,
              const std::function<void(std::uint64_t, std::uint64_t)>& visit);

    Fd file_;
    std::uint64_t page_;
    bool can_scan_ = true;
};

}  // namespace onecopy::os
