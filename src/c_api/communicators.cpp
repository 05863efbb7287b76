// onecopy_comm_*, onecopy_barrier: groups of ranks.
#include <memory>

#include "c_api/node_handles.hpp"

using namespace onecopy;
using namespace onecopy::c_api;

namespace {

/// A handle for the communicator that `make` gives, if that is not an empty one. The handle first:
/// what the other ranks have agreed to must not be lost.
template <class Make>
int make_from(onecopy_comm* comm, onecopy_comm** result, const Make& make) noexcept {
    if (result == nullptr) return -EINVAL;
    *result = nullptr;
    if (comm == nullptr) return -EINVAL;
    return guarded([&] {
        auto handle = std::make_unique<onecopy_comm>(comm->part.node());
        handle->made = make(*comm->communicator);
        if (!handle->made.empty()) *result = handle.release();
        return 0;
    });
}

}  // namespace

extern "C" {

int onecopy_comm_rank(const onecopy_comm* comm) {
    return comm == nullptr ? -EINVAL : comm->communicator->rank();
}

int onecopy_comm_size(const onecopy_comm* comm) {
    return comm == nullptr ? -EINVAL : comm->communicator->size();
}

int onecopy_comm_dup(onecopy_comm* comm, onecopy_comm** result) {
    return make_from(comm, result, [](Communicator& old) { return old.dup(); });
}

int onecopy_comm_split(onecopy_comm* comm, int color, int key, onecopy_comm** result) {
    return make_from(comm, result, [&](Communicator& old) { return old.split(color, key); });
}

int onecopy_comm_shrink(onecopy_comm* comm, onecopy_comm** result) {
    return make_from(comm, result, [](Communicator& old) { return old.shrink(); });
}

int onecopy_comm_free(onecopy_comm** comm) {
    const bool world = comm != nullptr && *comm != nullptr && *comm == &(*comm)->part.node().world;
    return world ? -EINVAL : free_handle(comm);
}

int onecopy_barrier(onecopy_comm* comm) {
    if (comm == nullptr) return -EINVAL;
    return guarded([&] {
        std::error_code error;
        comm->communicator->barrier(error);
        return number_of(error);
    });
}

int onecopy_comm_native_handle(onecopy_comm* comm) {
    if (comm == nullptr) return -EINVAL;
    return guarded([&] { return comm->communicator->native_handle(); });
}

}  // extern "C"
