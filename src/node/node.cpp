#include "onecopy/node.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <string_view>

#include "node/endpoint.hpp"
#include "node/meeting.hpp"

namespace onecopy {
namespace {

/// A number in the environment; -1: none.
int number_in(const char* text) noexcept {
    if (text == nullptr) return -1;
    int number = -1;
    const char* const end = text + std::strlen(text);
    const auto result = std::from_chars(text, end, number);
    return result.ec == std::errc() && result.ptr == end ? number : -1;
}

/// What the environment adds to the options.
NodeOptions complete(NodeOptions options) {
    constexpr std::string_view by_key = "key:";
    const char* const job = std::getenv("ONECOPY_JOB");
    if (options.key.empty()) {
        if (job != nullptr && std::string_view(job).starts_with(by_key)) {
            options.key = job + by_key.size();
            if (const char* const directory = std::getenv("ONECOPY_DIRECTORY")) {
                options.directory = directory;
            }
        }
        options.rank = number_in(std::getenv("ONECOPY_RANK"));
        options.size = number_in(std::getenv("ONECOPY_SIZE"));
    }
    return options;
}

/// The job's memory as `onecopy run` left it to this process.
node::JobMemory inherited_memory() {
    const char* const job = std::getenv("ONECOPY_JOB");
    constexpr std::string_view by_descriptor = "fd:";
    if (job == nullptr || !std::string_view(job).starts_with(by_descriptor)) {
        throw std::system_error(Errc::no_job, "onecopy: join a job");
    }
    const int number = number_in(job + by_descriptor.size());
    // It stays open, for whoever asks later; what this program starts has no part in the job.
    node::JobMemory memory = node::JobMemory::adopt(os::Fd(::fcntl(number, F_DUPFD_CLOEXEC, 3)));
    ::fcntl(number, F_SETFD, FD_CLOEXEC);
    memory.close_fd();
    return memory;
}

node::JobMemory memory_of_job(const NodeOptions& options) {
    if (options.key.empty()) return inherited_memory();
    return node::meet(
        {options.key, options.directory, options.rank, options.size, options.timeout});
}

}  // namespace

struct Node::State {
    State(node::JobMemory memory, int rank, const NodeOptions& options)
        : arena({.capacity_bytes = options.arena_bytes}),
          endpoint(std::move(memory), rank, &arena, options.threads) {}

    Arena arena;
    node::Endpoint endpoint;
    Communicator world;
};

Node::Node(const NodeOptions& given) {
    const NodeOptions options = complete(given);
    node::JobMemory memory = memory_of_job(options);
    const int rank = options.rank;
    if (rank < 0 || rank >= memory.ranks()) {
        throw std::system_error(Errc::no_job, "onecopy: join a job: ONECOPY_RANK is none of it");
    }
    state_ = std::make_unique<State>(std::move(memory), rank, options);
    std::vector<int> members(static_cast<std::size_t>(state_->endpoint.ranks()));
    std::iota(members.begin(), members.end(), 0);
    state_->world = Communicator(state_->endpoint, 0, members, rank);
}

Node::~Node() {
    const char* const asked = std::getenv("ONECOPY_STATS");
    if (asked == nullptr || std::string_view(asked) != "1" || !state_->endpoint.is_this_process()) {
        return;
    }
    const NodeCounters seen = counters();
    const auto number = [](std::uint64_t value) { return static_cast<unsigned long long>(value); };
    std::array<char, 320> line;
    const int length = std::snprintf(
        line.data(), line.size(),
        "onecopy: rank %d: %llu messages sent inline, %llu large ones received: %llu bytes mapped, "
        "%llu by system calls, %llu staged; %llu bytes copied for receivers; %llu sleeps\n",
        rank(), number(seen.eager_messages), number(seen.large_messages), number(seen.mapped_bytes),
        number(seen.called_bytes), number(seen.staged_bytes), number(seen.helped_bytes),
        number(seen.sleeps));
    // One call, so that the lines of several ranks do not mix.
    [[maybe_unused]] const ssize_t put =
        ::write(STDERR_FILENO, line.data(), static_cast<std::size_t>(length));
}

NodeCounters Node::counters() const noexcept {
    node::Endpoint::Lock lock(state_->endpoint);
    return state_->endpoint.counters();
}

int Node::rank() const noexcept { return state_->endpoint.rank(); }
int Node::size() const noexcept { return state_->endpoint.ranks(); }
Communicator& Node::world() noexcept { return state_->world; }
Arena& Node::arena() noexcept { return state_->arena; }
node::Endpoint& Node::endpoint() noexcept { return state_->endpoint; }

}  // namespace onecopy
