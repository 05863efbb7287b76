#include "node/operation.hpp"

#include <array>
#include <cstddef>
#include <new>

// Sanitizers shall see each of them come and go.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define ONECOPY_KEEPS_OPERATIONS
#endif

namespace onecopy::node {

#if defined(ONECOPY_KEEPS_OPERATIONS)
namespace {

/// As many as a stream has outstanding, for one thread; given back when it ends.
class Kept {
public:
    Kept() = default;
    Kept(const Kept&) = delete;
    Kept& operator=(const Kept&) = delete;
    ~Kept() {
        while (void* const one = take()) ::operator delete(one);
        over_ = true;  // what comes later is not kept
    }
    void* take() noexcept { return count_ > 0 ? rooms_[--count_] : nullptr; }
    bool put(void* memory) noexcept {
        if (over_ || count_ == rooms_.size()) return false;
        rooms_[count_++] = memory;
        return true;
    }

private:
    std::array<void*, 128> rooms_{};
    std::size_t count_ = 0;
    bool over_ = false;
};

thread_local Kept kept;

}  // namespace
#endif

void* Operation::operator new(std::size_t bytes) {
#if defined(ONECOPY_KEEPS_OPERATIONS)
    if (void* const one = kept.take()) return one;
#endif
    return ::operator new(bytes);
}

void Operation::operator delete(void* memory) noexcept {
#if defined(ONECOPY_KEEPS_OPERATIONS)
    if (kept.put(memory)) return;
#endif
    ::operator delete(memory);
}

}  // namespace onecopy::node
