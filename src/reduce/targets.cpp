// The choice among the compiled instruction sets, made once, at the first use. No static
// constructor: a preloaded library may be called before its own constructors have run.

#include "reduce/targets.hpp"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#endif

namespace onecopy::reduction {
namespace {

/// Threads that come first together choose alike and store the same pointer to constant data, so
/// no order between them matters.
constinit std::atomic<const KernelTable*> active{nullptr};

const KernelTable& best() noexcept {
    for (std::size_t i = 0; i + 1 < compiled_table_count; ++i)
        if (supports(compiled_tables[i].needs)) return *compiled_tables[i].table;
    return *compiled_tables[compiled_table_count - 1].table;
}

const KernelTable& choose() noexcept {
    const char* const wanted = std::getenv("ONECOPY_SIMD");
    if (wanted == nullptr || *wanted == '\0') return best();
    for (std::size_t i = 0; i < compiled_table_count; ++i)
        if (compiled_tables[i].table->target == std::string_view(wanted) &&
            supports(compiled_tables[i].needs))
            return *compiled_tables[i].table;
    std::fprintf(stderr,
                 "onecopy: ONECOPY_SIMD=%s: this processor or build has no such instruction set; "
                 "using %s\n",
                 wanted, best().target);
    return best();
}

}  // namespace

bool supports(InstructionSet set) noexcept {
    if (set == InstructionSet::baseline) return true;
#if defined(__x86_64__) || defined(__i386__)
    // Just what Highway's target attributes let the compiler use. The builtin also looks whether
    // the kernel saves the wider registers; it does not know F16C by name in every compiler.
    __builtin_cpu_init();
    if (set == InstructionSet::sse4)
        return __builtin_cpu_supports("ssse3") && __builtin_cpu_supports("sse4.1") &&
               __builtin_cpu_supports("sse4.2");
    unsigned eax = 0;
    unsigned ebx = 0;
    unsigned ecx = 0;
    unsigned edx = 0;
    const bool f16c = __get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0 && (ecx & bit_F16C) != 0;
    if (!f16c || !__builtin_cpu_supports("avx2")) return false;
    if (set == InstructionSet::avx2) return true;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw");
#else
    return false;
#endif
}

const KernelTable& active_table() noexcept {
    const KernelTable* table = active.load(std::memory_order_relaxed);
    if (table == nullptr) {
        table = &choose();
        active.store(table, std::memory_order_relaxed);
    }
    return *table;
}

Kernel find_kernel(Op op, Type type) noexcept {
    if (!in_table(op, type)) return nullptr;
    return active_table()
        .rows[static_cast<std::size_t>(op) - 1][static_cast<std::size_t>(type) - 1];
}

}  // namespace onecopy::reduction
