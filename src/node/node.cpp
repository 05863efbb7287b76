#include "onecopy/node.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <optional>
#include <string_view>
#include <thread>

#include "node/endpoint.hpp"
#include "node/launcher.hpp"
#include "node/meeting.hpp"
#include "node/pmix.hpp"
#include "node/ways_file.hpp"

namespace onecopy {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::string_view by_key = "key:";
constexpr std::string_view by_descriptor = "fd:";

/// What the environment adds to the options.
NodeOptions complete(NodeOptions options) {
    if (!options.key.empty()) return options;
    if (const char* const directory = std::getenv("ONECOPY_DIRECTORY")) {
        options.directory = directory;
    }
    options.rank = node::number_in(std::getenv("ONECOPY_RANK"));
    options.size = node::number_in(std::getenv("ONECOPY_SIZE"));
    const char* const job = std::getenv("ONECOPY_JOB");
    if (job == nullptr || !std::string_view(job).starts_with(by_key)) return options;
    options.key = job + by_key.size();
    if (std::getenv("ONECOPY_RANK") == nullptr && std::getenv("ONECOPY_SIZE") == nullptr) {
        const std::optional<node::LocalPlace> place = node::place_by_launcher();
        if (!place) {
            throw std::system_error(EINVAL, std::system_category(),
                                    "onecopy: join a job by its key: no launcher says which rank "
                                    "this is; set ONECOPY_RANK and ONECOPY_SIZE");
        }
        options.rank = place->rank;
        options.size = place->ranks;
    }
    return options;
}

/// The job's memory as `onecopy run` left it to this process.
node::JobMemory inherited_memory() {
    const char* const job = std::getenv("ONECOPY_JOB");
    if (job == nullptr || !std::string_view(job).starts_with(by_descriptor)) {
        throw std::system_error(Errc::no_job, "onecopy: join a job");
    }
    const int number = node::number_in(job + by_descriptor.size());
    // It stays open, for whoever asks later; what this program starts has no part in the job.
    node::JobMemory memory = node::JobMemory::adopt(os::Fd(::fcntl(number, F_DUPFD_CLOEXEC, 3)));
    ::fcntl(number, F_SETFD, FD_CLOEXEC);
    memory.close_fd();
    return memory;
}

bool statistics_asked_for() noexcept {
    const char* const asked = std::getenv("ONECOPY_STATS");
    return asked != nullptr && std::string_view(asked) == "1";
}

/// A line: one call, so that those of several ranks do not mix.
void print(std::string_view line) noexcept {
    [[maybe_unused]] const ssize_t put = ::write(STDERR_FILENO, line.data(), line.size());
}

struct Joined {
    node::JobMemory memory;
    int rank;
    bool inherited;  ///< from a launcher that watches the ranks
};

Joined join(const NodeOptions& options) {
    if (!options.key.empty()) {
        return {node::meet(
                    {options.key, options.directory, options.rank, options.size, options.timeout}),
                options.rank, false};
    }
    if (std::getenv("ONECOPY_JOB") == nullptr && node::launched_by_pmix()) {
        node::JoinedByPmix joined = node::join_by_pmix(options.directory, options.timeout);
        return {std::move(joined.memory), joined.rank, false};
    }
    return {inherited_memory(), options.rank, true};
}

/// Nobody notices the death of a rank that never was here; so nobody goes on before all have been,
/// unless a launcher ends the rest then.
void wait_for_all(const node::JobMemory& memory, Clock::time_point end) {
    milliseconds pause{1};
    for (int rank = 0; rank < memory.ranks();) {
        if (memory.line(rank).stage.load(std::memory_order_acquire) != node::Stage::absent) {
            ++rank;
            continue;
        }
        if (Clock::now() > end) {
            throw std::system_error(ETIMEDOUT, std::system_category(),
                                    "onecopy: join a job: wait for its other ranks; each of the " +
                                        std::to_string(memory.ranks()) + " must make a Node");
        }
        std::this_thread::sleep_for(pause);
        pause = std::min(pause * 2, milliseconds(50));  // there may be many who wait
    }
}

}  // namespace

struct Node::State {
    State(node::JobMemory memory, int rank, const NodeOptions& options,
          const node::LoadedWays& ways)
        : arena({.capacity_bytes = options.arena_bytes}),
          endpoint(std::move(memory), rank, &arena, options.threads, ways.table, ways.schedules) {}

    Arena arena;
    node::Endpoint endpoint;
    Communicator world;
};

Node::Node(const NodeOptions& given) {
    const NodeOptions options = complete(given);
    const auto end = Clock::now() + options.timeout;
    const node::LoadedWays ways = node::load_ways();
    Joined joined = join(options);
    const int rank = joined.rank;
    if (rank < 0 || rank >= joined.memory.ranks()) {
        throw std::system_error(Errc::no_job, "onecopy: join a job: ONECOPY_RANK is none of it");
    }
    state_ = std::make_unique<State>(std::move(joined.memory), rank, options, ways);
    if (rank == 0 && !ways.ignored.empty() && statistics_asked_for()) {
        print("onecopy: what `onecopy tune` measured is left alone: " + ways.ignored + "\n");
    }
    if (!joined.inherited) wait_for_all(state_->endpoint.memory(), end);
    std::vector<int> members(static_cast<std::size_t>(state_->endpoint.ranks()));
    std::iota(members.begin(), members.end(), 0);
    state_->world = Communicator(state_->endpoint, 0, members, rank);
}

Node::~Node() {
    if (!statistics_asked_for() || !state_->endpoint.is_this_process()) return;
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
    print({line.data(), static_cast<std::size_t>(length)});
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
