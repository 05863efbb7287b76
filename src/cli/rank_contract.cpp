#include "cli/rank_contract.hpp"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <string_view>
#include <system_error>

#include "node/job_memory.hpp"
#include "os/sealed_memfd.hpp"

extern char** environ;

namespace onecopy::cli {
namespace {

constexpr std::string_view job_name = "ONECOPY_JOB=";
constexpr std::string_view rank_name = "ONECOPY_RANK=";
constexpr std::string_view size_name = "ONECOPY_SIZE=";
constexpr std::string_view by_descriptor = "fd:";

bool is_given(std::string_view word) {
    return std::ranges::any_of(std::array{job_name, rank_name, size_name},
                               [word](std::string_view name) { return word.starts_with(name); });
}

}  // namespace

os::Fd make_job(int ranks) {
    return node::JobMemory::create(ranks).take_fd();
}

void leave_outer_job() noexcept {
    const char* const job = std::getenv("ONECOPY_JOB");
    if (job == nullptr || !std::string_view(job).starts_with(by_descriptor)) return;
    const std::string_view text = std::string_view(job).substr(by_descriptor.size());
    int number = -1;
    if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc{}) return;
    os::Fd fd(number);
    try {
        static_cast<void>(os::size_of_sealed_memfd(fd));  // or it is closed, or something else's
        ::fcntl(number, F_SETFD, FD_CLOEXEC);
    } catch (const std::system_error&) {
        // Not the job's memory: not ours to touch.
    }
    static_cast<void>(fd.release());
}

RankEnvironment::RankEnvironment(int ranks, int job)
    : given_{fmt::format("{}{}{}", job_name, by_descriptor, job), std::string(rank_name),
             fmt::format("{}{}", size_name, ranks)} {
    for (char** word = environ; *word != nullptr; ++word) {
        if (!is_given(*word)) words_.push_back(*word);
    }
    words_.resize(words_.size() + given_.size() + 1, nullptr);
}

char* const* RankEnvironment::of(int rank) {
    given_[1] = fmt::format("{}{}", rank_name, rank);
    auto place = words_.end() - 1 - static_cast<std::ptrdiff_t>(given_.size());
    for (std::string& word : given_) *place++ = word.data();
    return words_.data();
}

}  // namespace onecopy::cli
