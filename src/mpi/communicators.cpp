#include "mpi/communicators.hpp"

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "mpi/job.hpp"
#include "mpi/real.hpp"

namespace onecopy::mpi {

namespace {

/// Not copied: a duplicate gets a channel of its own when it needs one.
int copy_nothing(MPI_Comm, int, void*, void*, void*, int* flag) {
    *flag = 0;
    return MPI_SUCCESS;
}

int forget(MPI_Comm, int, void* value, void*) {
    delete static_cast<Communicator*>(value);
    return MPI_SUCCESS;
}

/// The members' local ranks; empty if one of them is none of this job's on this machine. Everybody
/// in the communicator finds the same: a member of another job or machine is missing for all.
std::vector<int> local_ranks_of(MPI_Comm comm, int size) {
    const Job& self = job();
    std::vector<int> ranks(static_cast<std::size_t>(size));
    std::iota(ranks.begin(), ranks.end(), 0);
    std::vector<int> world_ranks(ranks.size(), MPI_UNDEFINED);
    MPI_Group members{};
    MPI_Group world{};
    real().comm_group(comm, &members);
    real().comm_group(self.handles.world, &world);
    real().group_translate_ranks(members, size, ranks.data(), world, world_ranks.data());
    real().group_free(&members);
    real().group_free(&world);

    std::vector<int> local;
    for (const int rank : world_ranks) {
        const auto found = self.local_rank_of.find(rank);
        if (found == self.local_rank_of.end()) return {};
        local.push_back(found->second);
    }
    return local;
}

/// What one member decides for all.
struct ChannelTerms {
    Lease lease;
    std::uint64_t threshold_bytes = 0;
};

/// The first member takes a channel and looks how crowded the machine is, and tells the others, on
/// the communicator itself: all of them are inside the same collective call, so the MPI's own
/// broadcast cannot meet anything else. No lease if the broadcast fails.
ChannelTerms agree_on_terms(MPI_Comm comm, int rank, int size) {
    Job& self = job();
    ChannelTerms terms;
    if (rank == 0) {
        if (const auto taken = self.machine->store.take(size)) terms.lease = *taken;
        terms.threshold_bytes =
            self.machine->core_for_each ? self.threshold_bytes : self.crowded_threshold_bytes;
    }
    const auto& types = self.handles.types;
    const auto byte = std::find_if(types.begin(), types.end(), [](const KnownType& type) {
        return type.type_class == TypeClass::byte;
    });
    if (byte == types.end() ||
        real().bcast(&terms, sizeof terms, byte->handle, 0, comm) != MPI_SUCCESS) {
        return {};
    }
    return terms;
}

std::unique_ptr<Communicator> examine(MPI_Comm comm) {
    auto found = std::make_unique<Communicator>();
    int inter = 0;
    real().comm_test_inter(comm, &inter);
    real().comm_size(comm, &found->size);
    real().comm_rank(comm, &found->rank);
    if (inter != 0 || found->size == 1) {
        found->reason = inter != 0 ? Reason::intercommunicator : Reason::alone;
        return found;
    }
    std::vector<int> members = local_ranks_of(comm, found->size);
    if (members.empty()) {
        found->reason = Reason::spans_machines;
        return found;
    }
    const auto [lease, threshold_bytes] = agree_on_terms(comm, found->rank, found->size);
    found->threshold_bytes = threshold_bytes;
    if (lease.channel >= 0) {
        found->reducer =
            std::make_unique<Reducer>(*job().machine, lease, std::move(members), found->rank);
    }
    return found;
}

}  // namespace

Communicator::~Communicator() {
    Job& self = job();
    if (reducer && self.machine) {
        const Channel& channel = reducer->channel();
        self.machine->store.leave(channel.lease().channel, channel.next_base());
    }
}

int create_key(MPI_Comm_delete_attr_function* deleted) {
    int keyval = MPI_KEYVAL_INVALID;
    real().comm_create_keyval(copy_nothing, deleted, &keyval, nullptr);
    return keyval;
}

int create_communicator_key() { return create_key(forget); }

Communicator* look_up(MPI_Comm comm) {
    const int keyval = job().keyval;
    Communicator* found = nullptr;
    int there = 0;
    if (real().comm_get_attr(comm, keyval, &found, &there) != MPI_SUCCESS) return nullptr;
    if (there != 0) return found;
    auto fresh = examine(comm);
    found = fresh.get();
    if (real().comm_set_attr(comm, keyval, found) == MPI_SUCCESS) fresh.release();
    return fresh ? nullptr : found;
}

}  // namespace onecopy::mpi
