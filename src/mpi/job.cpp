#include "mpi/job.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <utility>

#include "mpi/build_id.hpp"
#include "mpi/communicators.hpp"
#include "mpi/descriptors.hpp"
#include "mpi/devices.hpp"
#include "mpi/real.hpp"
#include "os/byte_count.hpp"

namespace onecopy::mpi {

namespace {

/// Where onecopy starts to be faster; docs/decisions/020-reductions-by-slices.md has the figures.
/// With more ranks than cores every meeting costs a change of processes, so it takes more.
constexpr std::size_t default_threshold_bytes = 32 << 10;
constexpr std::size_t default_crowded_threshold_bytes = 1 << 20;

bool is_set(const char* name, const char* value) {
    const char* found = std::getenv(name);
    return found != nullptr && std::strcmp(found, value) == 0;
}

/// How many fetches are refused, for tests: ONECOPY_TEST_REFUSE_EVERY; 0 for none.
unsigned refuse_every_from_environment() {
    const char* text = std::getenv("ONECOPY_TEST_REFUSE_EVERY");
    return text != nullptr ? static_cast<unsigned>(std::strtoul(text, nullptr, 10)) : 0;
}

void read_threshold(Job& job) {
    job.threshold_bytes = default_threshold_bytes;
    job.crowded_threshold_bytes = default_crowded_threshold_bytes;
    constexpr const char* name = "ONECOPY_MPI_THRESHOLD";
    const char* text = std::getenv(name);
    if (text == nullptr || *text == '\0') return;
    if (const auto bytes = os::byte_count(text)) {
        job.threshold_bytes = job.crowded_threshold_bytes = *bytes;
        return;
    }
    job.complaint = std::string(name) + "=" + text +
                    " is no number of bytes: write 65536, 64K or 1M; going on with the default "
                    "(32K, and 1M where there are more ranks than cores)";
}

/// All that decides which calls are taken. Ranks that differ in it would wait for each other.
std::uint64_t settings_of(const Job& job) {
    std::uint64_t value = 0xcbf29ce484222325;
    for (const std::uint64_t part :
         {std::uint64_t{job.threshold_bytes}, std::uint64_t{job.crowded_threshold_bytes},
          std::uint64_t{job.host.tools_behind}, std::uint64_t{job.host_memory_only}}) {
        value = (value ^ part) * 0x100000001b3;
    }
    return value;
}

/// A probe that finds nothing moves everything that is pending. One that finds a message moves
/// nothing, and the program may have sent itself one that it has not received yet: hence the silent
/// communicator.
void progress() {
    int found = 0;
    real().iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, job().silent, &found, MPI_STATUS_IGNORE);
}

/// MPI_Finalize deletes MPI_COMM_SELF's attributes before anything else, the first one set last.
/// Ours was set in MPI_Init: when it goes, the program's callbacks, which may still reduce, are
/// through.
int free_silent(MPI_Comm, int, void*, void*) {
    Job& self = job();
    if (self.silent == self.handles.self) return MPI_SUCCESS;
    MPI_Comm freed = std::exchange(self.silent, self.handles.self);
    return real().comm_free(&freed);
}

/// Without one (the MPI refuses) a message of the program to itself holds up others while we wait.
void make_silent() {
    Job& self = job();
    self.silent = self.handles.self;
    MPI_Comm fresh{};
    if (real().comm_dup(self.handles.self, &fresh) != MPI_SUCCESS) return;
    self.silent = fresh;
    real().comm_set_attr(self.handles.self, create_key(free_silent), nullptr);
}

/// Whether the processors that these ranks may run on are at least as many as the ranks.
bool core_for_each(const std::vector<Process>& ranks) {
    cpu_set_t all;
    CPU_ZERO(&all);
    for (const Process& rank : ranks) {
        cpu_set_t one;
        CPU_ZERO(&one);
        if (::sched_getaffinity(rank.pid(), sizeof one, &one) != 0) return false;
        CPU_OR(&all, &all, &one);
    }
    return static_cast<std::size_t>(CPU_COUNT(&all)) >= ranks.size();
}

struct World {
    int rank = 0;
    int size = 1;
};

World world() {
    World world;
    real().comm_rank(job().handles.world, &world.rank);
    real().comm_size(job().handles.world, &world.size);
    return world;
}

/// Opens the listener; why not, if not.
std::string open_presence() {
    Job& self = job();
    const auto place = place_from_environment();
    if (!place) {
        return "the launcher does not say which ranks share this machine (start with Open MPI's "
               "mpirun)";
    }
    PresenceOptions options;
    options.timeout = presence_timeout_from_environment();
    options.payload_bytes = ChannelStore::bytes(place->local_size);
    Terms terms;
    terms.build = build_id();
    terms.settings = settings_of(self);
    terms.library = self.host.text;
    try {
        self.presence.emplace(*place, std::move(terms), std::move(options));
    } catch (const std::system_error& failure) {
        return std::string("another process answers in this rank's name: ") + failure.what();
    }
    return {};
}

void start_machine(Agreement agreement, int local_ranks) {
    Job& self = job();
    for (std::size_t i = 0; i < agreement.world_ranks.size(); ++i) {
        self.local_rank_of[agreement.world_ranks[i]] = static_cast<int>(i);
    }
    auto machine =
        std::make_unique<Machine>(ChannelStore(agreement.payload, local_ranks),
                                  std::move(agreement.peers), self.local_rank_of.at(world().rank));
    machine->core_for_each = core_for_each(machine->peers);
    machine->progress = progress;
    machine->refuse_every = refuse_every_from_environment();
    self.segment = std::move(agreement.segment);
    self.keyval = create_communicator_key();
    make_silent();
    self.machine = std::move(machine);
}

/// After the MPI's own MPI_Init: finds the verdict. `early` says what went wrong before it.
void agree(const std::string& early) {
    Job& self = job();
    self.handles = load_handles(self.host.library);
    const World here = world();
    if (here.rank == 0 && !self.complaint.empty()) say(self.complaint);
    if (here.size == 1) {
        self.refusal = "there is only one rank";
        self.presence.reset();
        return;
    }
    if (!self.presence) {
        self.refusal = early;
        if (here.rank == 0) say("passing everything to the MPI: " + early);
        return;
    }
    std::string objection;
    if (self.host.objection != nullptr) objection = self.host.objection;
    if (objection.empty() && !self.host_memory_only && device_library_loaded()) {
        objection =
            "a GPU's library is loaded (ONECOPY_GPU=host-only promises that MPI buffers are "
            "in the host's memory)";
    }
    if (objection.empty()) {
        objection = descriptor_objection(self.presence->place().local_size);
    }
    Agreement agreement = self.presence->agree(std::move(objection));
    if (!agreement.go) {
        self.refusal = agreement.reason;
        if (agreement.speaks) say("passing everything to the MPI: " + agreement.reason);
        return;
    }
    const int local_ranks = static_cast<int>(agreement.peers.size());
    start_machine(std::move(agreement), local_ranks);
    self.refusal.clear();
    if (here.rank == 0 && is_set("ONECOPY_VERBOSE", "1")) {
        const std::size_t threshold =
            self.machine->core_for_each ? self.threshold_bytes : self.crowded_threshold_bytes;
        say("taking over reductions from " + std::to_string(threshold) + " bytes on " +
            std::to_string(local_ranks) + " ranks of this machine");
    }
}

void report(const World& here) {
    const char* directory = std::getenv("ONECOPY_REPORT");
    if (directory == nullptr || *directory == '\0') return;
    Job& self = job();
    const Reporter reporter{self.host.text, self.refusal, here.rank, here.size};
    const Traffic* traffic = self.machine ? &self.machine->traffic : nullptr;
    if (!write_report(directory, report_of(reporter, self.tally, traffic), here.rank) &&
        here.rank == 0) {
        say(std::string("report into ") + directory + ": " + std::strerror(errno) +
            "; ONECOPY_REPORT names a directory that every rank can write to");
    }
}

}  // namespace

Job& job() noexcept {
    static Job* const self = new Job;
    return *self;
}

void say(const std::string& text) noexcept {
    // One write, so that lines of different ranks do not mix.
    const std::string line = "onecopy: mpi: " + text + "\n";
    if (::write(STDERR_FILENO, line.data(), line.size()) < 0) return;  // nobody listens
}

void set_up(const onecopy_mpi_host& host) {
    Job& self = job();
    self.host = host;
    read_threshold(self);
    self.host_memory_only = is_set("ONECOPY_GPU", "host-only");
}

int initialise(int (*start)(void*), void* arguments) noexcept {
    int before = 0;
    int after = 0;
    real().initialized(&before);
    real().finalized(&after);
    if (before != 0 || after != 0) return start(arguments);  // the MPI has its own words for it

    std::string early;
    try {
        early = open_presence();
    } catch (const std::exception& failure) {
        early = failure.what();
    }
    const int code = start(arguments);
    if (code != MPI_SUCCESS) {
        job().presence.reset();
        return code;
    }
    try {
        agree(early);
    } catch (const std::exception& failure) {
        // Dropping out before an answer makes the verdict no for all.
        job().presence.reset();
        job().refusal = failure.what();
        say(std::string("passing everything to the MPI: ") + failure.what());
    }
    return code;
}

int finalise() noexcept {
    Job& self = job();
    int before = 0;
    int after = 0;
    real().initialized(&before);
    real().finalized(&after);
    const bool ours = before != 0 && after == 0;
    const World here = ours ? world() : World{};
    const int code = real().finalize();
    if (!ours || code != MPI_SUCCESS) return code;
    // Only now, since callbacks that the MPI makes while it ends may call us.
    try {
        report(here);
    } catch (const std::exception& failure) {
        say(std::string("report: ") + failure.what());
    }
    self.refusal = "MPI_Finalize was called";
    self.machine.reset();
    self.segment = os::JobSegment();
    self.presence.reset();
    return code;
}

}  // namespace onecopy::mpi
