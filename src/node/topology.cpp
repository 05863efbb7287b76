#include "node/topology.hpp"

#include <hwloc.h>
#include <sched.h>

#include <cerrno>
#include <memory>
#include <system_error>
#include <type_traits>

namespace onecopy::node {
namespace {

[[noreturn]] void fail(const char* what) {
    throw std::system_error(errno, std::system_category(), what);
}

struct Destroy {
    void operator()(hwloc_topology_t topology) const noexcept {
        ::hwloc_topology_destroy(topology);
    }
    void operator()(hwloc_bitmap_t bitmap) const noexcept { ::hwloc_bitmap_free(bitmap); }
};
using Topology = std::unique_ptr<std::remove_pointer_t<hwloc_topology_t>, Destroy>;
using Bitmap = std::unique_ptr<std::remove_pointer_t<hwloc_bitmap_t>, Destroy>;

Topology this_machine() {
    hwloc_topology_t made = nullptr;
    if (::hwloc_topology_init(&made) != 0) fail("prepare to read the topology");
    Topology topology(made);
    if (::hwloc_topology_load(topology.get()) != 0) fail("read the topology");
    return topology;
}

Bitmap bitmap() {
    Bitmap made(::hwloc_bitmap_alloc());
    if (!made) fail("make a set of processors");
    return made;
}

}  // namespace

std::vector<CpuSet> usable_cores() {
    const Topology topology = this_machine();
    if (::hwloc_topology_is_thissystem(topology.get()) == 0) return {};
    const Bitmap allowed = bitmap();
    if (::hwloc_get_cpubind(topology.get(), allowed.get(), HWLOC_CPUBIND_THREAD) != 0) {
        fail("ask which processors may be used");
    }
    // Some virtual machines do not say which hardware threads make a core.
    const bool knows_cores = ::hwloc_get_nbobjs_by_type(topology.get(), HWLOC_OBJ_CORE) > 0;
    const hwloc_obj_type_t kind = knows_cores ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
    std::vector<CpuSet> cores;
    const Bitmap ours = bitmap();
    for (hwloc_obj_t core = nullptr;
         (core = ::hwloc_get_next_obj_by_type(topology.get(), kind, core)) != nullptr;) {
        if (::hwloc_bitmap_and(ours.get(), core->cpuset, allowed.get()) != 0) fail("name a core");
        CpuSet cpus;
        for (int cpu = -1; (cpu = ::hwloc_bitmap_next(ours.get(), cpu)) >= 0;) cpus.push_back(cpu);
        if (!cpus.empty()) cores.push_back(std::move(cpus));
    }
    return cores;
}

int bind_to(const CpuSet& cpus) noexcept {
    if (cpus.empty()) return EINVAL;
    const auto count = static_cast<std::size_t>(cpus.back()) + 1;  // cpu_set_t itself ends at 1024
    cpu_set_t* const set = CPU_ALLOC(count);
    if (set == nullptr) return ENOMEM;
    const std::size_t bytes = CPU_ALLOC_SIZE(count);
    CPU_ZERO_S(bytes, set);
    for (const int cpu : cpus) CPU_SET_S(static_cast<std::size_t>(cpu), bytes, set);
    const int error = ::sched_setaffinity(0, bytes, set) == 0 ? 0 : errno;
    CPU_FREE(set);
    return error;
}

}  // namespace onecopy::node
