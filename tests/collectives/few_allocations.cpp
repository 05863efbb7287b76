#include "few_allocations.hpp"

#include <cstddef>
#include <cstdlib>
#include <new>

namespace onecopy::test {
namespace {

thread_local bool counts = false, refused = false;
thread_local int left = 0;

}  // namespace

FewAllocations::FewAllocations(int blocks) noexcept {
    left = blocks;
    refused = false;
    counts = true;
}

void FewAllocations::end() noexcept {
    counts = false;
    too_few_ = refused;
}

static bool is_refused() noexcept {
    if (!counts) return false;
    if (left == 0) refused = true;
    if (left > 0) --left;
    return refused;
}

}  // namespace onecopy::test

// All forms that anybody here calls: sanitizers bring those that are not replaced.
void* operator new(std::size_t bytes, const std::nothrow_t& /*tag*/) noexcept {
    return onecopy::test::is_refused() ? nullptr : std::malloc(bytes == 0 ? 1 : bytes);
}
void* operator new(std::size_t bytes) {
    void* const memory = ::operator new(bytes, std::nothrow);
    if (memory == nullptr) throw std::bad_alloc();
    return memory;
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, const std::nothrow_t& /*tag*/) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t /*bytes*/) noexcept { std::free(memory); }
