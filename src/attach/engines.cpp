#include <array>

#include "attach/engine.hpp"

namespace onecopy::attach {

std::span<const Engine* const> engines() noexcept {
    static const std::array<const Engine*, 3> list{&mapped_engine(), &process_vm_engine(),
                                                   &proc_mem_engine()};
    return list;
}

}  // namespace onecopy::attach
