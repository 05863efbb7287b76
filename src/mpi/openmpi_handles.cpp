// Open MPI's predefined handles are addresses of objects in its library. A program that is linked
// to it may hold copies of them (copy relocations), and then it is the copies that everybody uses:
// so the program's own scope is asked first, and the library only where it is hidden from that.
#include <dlfcn.h>

#include <algorithm>
#include <cstddef>

#include "mpi/handles.hpp"
#include "mpi/real.hpp"

namespace onecopy::mpi {

namespace {

struct NamedType {
    const char* symbol;
    Type type;
    TypeClass type_class = TypeClass::c;
};

constexpr Type signed_of(std::size_t bytes) {
    return bytes == 1   ? Type::int8
           : bytes == 2 ? Type::int16
           : bytes == 4 ? Type::int32
                        : Type::int64;
}
constexpr Type unsigned_of(std::size_t bytes) {
    return bytes == 1   ? Type::uint8
           : bytes == 2 ? Type::uint16
           : bytes == 4 ? Type::uint32
                        : Type::uint64;
}

// Not here, hence passed on: MPI_CHAR, MPI_CHARACTER, MPI_WCHAR (no numbers), Fortran's LOGICALs
// (what is true is the Fortran compiler's to say), 16 byte integers and long double complex (no
// such Type), everything derived.
constexpr NamedType named_types[] = {
    {"ompi_mpi_signed_char", Type::int8},
    {"ompi_mpi_short", signed_of(sizeof(short))},
    {"ompi_mpi_int", signed_of(sizeof(int))},
    {"ompi_mpi_long", signed_of(sizeof(long))},
    {"ompi_mpi_long_long_int", signed_of(sizeof(long long))},
    {"ompi_mpi_unsigned_char", Type::uint8},
    {"ompi_mpi_unsigned_short", unsigned_of(sizeof(short))},
    {"ompi_mpi_unsigned", unsigned_of(sizeof(int))},
    {"ompi_mpi_unsigned_long", unsigned_of(sizeof(long))},
    {"ompi_mpi_unsigned_long_long", unsigned_of(sizeof(long long))},
    {"ompi_mpi_int8_t", Type::int8},
    {"ompi_mpi_int16_t", Type::int16},
    {"ompi_mpi_int32_t", Type::int32},
    {"ompi_mpi_int64_t", Type::int64},
    {"ompi_mpi_uint8_t", Type::uint8},
    {"ompi_mpi_uint16_t", Type::uint16},
    {"ompi_mpi_uint32_t", Type::uint32},
    {"ompi_mpi_uint64_t", Type::uint64},
    {"ompi_mpi_float", Type::float32},
    {"ompi_mpi_double", Type::float64},
    {"ompi_mpi_long_double", Type::long_double},
    {"ompi_mpi_c_float_complex", Type::complex_float},
    {"ompi_mpi_c_double_complex", Type::complex_double},
    {"ompi_mpi_cxx_cplex", Type::complex_float},
    {"ompi_mpi_cxx_dblcplex", Type::complex_double},
    {"ompi_mpi_c_bool", Type::boolean},
    {"ompi_mpi_cxx_bool", Type::boolean},
    {"ompi_mpi_byte", Type::uint8, TypeClass::byte},
    {"ompi_mpi_aint", signed_of(sizeof(MPI_Aint)), TypeClass::address},
    {"ompi_mpi_offset", signed_of(sizeof(MPI_Offset)), TypeClass::address},
    {"ompi_mpi_count", signed_of(sizeof(MPI_Count)), TypeClass::address},
    // Fortran's default kinds depend on the compiler's options: those the extent contradicts fall
    // out below.
    {"ompi_mpi_integer", Type::int32, TypeClass::fortran_integer},
    {"ompi_mpi_integer1", Type::int8, TypeClass::fortran_integer},
    {"ompi_mpi_integer2", Type::int16, TypeClass::fortran_integer},
    {"ompi_mpi_integer4", Type::int32, TypeClass::fortran_integer},
    {"ompi_mpi_integer8", Type::int64, TypeClass::fortran_integer},
    {"ompi_mpi_real", Type::float32},
    {"ompi_mpi_real4", Type::float32},
    {"ompi_mpi_real8", Type::float64},
    {"ompi_mpi_dblprec", Type::float64},
    {"ompi_mpi_cplex", Type::complex_float},
    {"ompi_mpi_complex8", Type::complex_float},
    {"ompi_mpi_complex16", Type::complex_double},
    {"ompi_mpi_dblcplex", Type::complex_double},
    // The pairs of MPI_MINLOC and MPI_MAXLOC.
    {"ompi_mpi_float_int", Type::float_int},
    {"ompi_mpi_double_int", Type::double_int},
    {"ompi_mpi_longdbl_int", Type::long_double_int},
    {"ompi_mpi_long_int", Type::long_int},
    {"ompi_mpi_short_int", Type::short_int},
    {"ompi_mpi_2int", Type::int_int},
    {"ompi_mpi_2integer", Type::int_int},
    {"ompi_mpi_2real", Type::float_float},
    {"ompi_mpi_2dblprec", Type::double_double},
};

struct NamedOperation {
    const char* symbol;
    Op op;
};

// Not here: MPI_REPLACE and MPI_NO_OP, which only accumulate.
constexpr NamedOperation named_operations[] = {
    {"ompi_mpi_op_sum", Op::sum},       {"ompi_mpi_op_prod", Op::prod},
    {"ompi_mpi_op_min", Op::min},       {"ompi_mpi_op_max", Op::max},
    {"ompi_mpi_op_land", Op::land},     {"ompi_mpi_op_lor", Op::lor},
    {"ompi_mpi_op_lxor", Op::lxor},     {"ompi_mpi_op_band", Op::band},
    {"ompi_mpi_op_bor", Op::bor},       {"ompi_mpi_op_bxor", Op::bxor},
    {"ompi_mpi_op_minloc", Op::minloc}, {"ompi_mpi_op_maxloc", Op::maxloc},
};

template <class Handle>
Handle look_up(void* library, const char* symbol) {
    void* found = ::dlsym(RTLD_DEFAULT, symbol);
    if (found == nullptr) found = ::dlsym(library, symbol);
    return static_cast<Handle>(found);
}

}  // namespace

std::optional<Op> Handles::find(MPI_Op operation) const noexcept {
    for (std::size_t i = 0; i < operations.size(); ++i) {
        if (operations[i] == operation && operation != nullptr) return static_cast<Op>(i);
    }
    return std::nullopt;
}

const KnownType* Handles::find(MPI_Datatype type) const noexcept {
    const auto at = std::lower_bound(
        types.begin(), types.end(), type,
        [](const KnownType& known, MPI_Datatype handle) { return known.handle < handle; });
    return at != types.end() && at->handle == type ? &*at : nullptr;
}

bool takes(Op op, const KnownType& type) noexcept {
    const bool logical = op == Op::land || op == Op::lor || op == Op::lxor;
    const bool bitwise = op == Op::band || op == Op::bor || op == Op::bxor;
    if (logical && type.type_class != TypeClass::c) return false;
    if (!bitwise && type.type_class == TypeClass::byte) return false;
    return allowed(op, type.type);
}

Handles load_handles(void* library) {
    Handles handles;
    handles.world = look_up<MPI_Comm>(library, "ompi_mpi_comm_world");
    handles.self = look_up<MPI_Comm>(library, "ompi_mpi_comm_self");
    handles.no_comm = look_up<MPI_Comm>(library, "ompi_mpi_comm_null");
    for (const NamedOperation& named : named_operations) {
        handles.operations[static_cast<std::size_t>(named.op)] =
            look_up<MPI_Op>(library, named.symbol);
    }
    for (const NamedType& named : named_types) {
        const auto handle = look_up<MPI_Datatype>(library, named.symbol);
        MPI_Aint lower = 0;
        MPI_Aint extent = 0;
        if (handle == nullptr || real().type_get_extent(handle, &lower, &extent) != MPI_SUCCESS) {
            continue;
        }
        if (lower != 0 || static_cast<std::size_t>(extent) != size_of(named.type)) continue;
        handles.types.push_back({handle, named.type, named.type_class});
    }
    std::sort(handles.types.begin(), handles.types.end(),
              [](const KnownType& a, const KnownType& b) { return a.handle < b.handle; });
    return handles;
}

}  // namespace onecopy::mpi
