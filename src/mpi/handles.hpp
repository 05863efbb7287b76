// The MPI's predefined handles: which of its operations and datatypes are ours as well.
#pragma once

#include <mpi.h>

#include <array>
#include <cstddef>
#include <optional>
#include <vector>

#include "onecopy/reduce.hpp"

namespace onecopy::mpi {

/// MPI's classes of types, as far as its table of operations needs them. What each class allows
/// beyond onecopy::allowed(): bytes and Fortran's integers no logical operations, bytes nothing but
/// the bitwise ones. Source: MPI 4.0, section 6.9.2.
enum class TypeClass : unsigned char { c, fortran_integer, address, byte };

struct KnownType {
    MPI_Datatype handle;
    Type type;
    TypeClass type_class;
};

/// Looked up once, after MPI_Init. Immutable then.
struct Handles {
    MPI_Comm world{};
    MPI_Comm self{};
    MPI_Comm no_comm{};
    std::array<MPI_Op, 16> operations{};  ///< by Op
    std::vector<KnownType> types;         ///< sorted by handle

    /// What operation this is, if it is one of MPI's predefined ones that reduce.
    [[nodiscard]] std::optional<Op> find(MPI_Op operation) const noexcept;
    /// What type this is, if it is a predefined one whose values we know.
    [[nodiscard]] const KnownType* find(MPI_Datatype type) const noexcept;
};

/// Whether the MPI allows this operation on this type, and we compute it.
bool takes(Op op, const KnownType& type) noexcept;

/// From the MPI's library. Types whose extent there is not ours are left out.
Handles load_handles(void* library);

}  // namespace onecopy::mpi
