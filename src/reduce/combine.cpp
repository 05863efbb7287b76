// The part of the interface that needs no other process.

#include "onecopy/reduce.hpp"
#include "reduce/kernels.hpp"

namespace onecopy {

std::size_t size_of(Type type) noexcept {
    using reduction::row_of;
    return row_of(type) < reduction::type_count ? reduction::types[row_of(type)].bytes : 0;
}

bool allowed(Op op, Type type) noexcept { return reduction::in_table(op, type); }

std::error_code combine(Op op, Type type, const void* left, const void* right, void* result,
                        std::size_t count) noexcept {
    const reduction::Kernel kernel = reduction::find_kernel(op, type);
    if (kernel == nullptr) return {EINVAL, std::system_category()};
    kernel(left, right, result, count);
    return {};
}

}  // namespace onecopy
