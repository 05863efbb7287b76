// In place of src/node/atomic.hpp: what the checker can follow.
#pragma once

#include <chrono>
#include <cstdint>

#include "model/atomic.hpp"

namespace onecopy::node {

template <class T>
using Atomic = model::Atomic<T>;
template <class T>
using Plain = model::Plain<T>;

inline void full_fence(model::Site site = model::Site::here()) noexcept {
    model::fence(std::memory_order_seq_cst, site);
}
/// There is no time in a model: it ends when somebody wakes the sleeper.
inline void futex_wait(const Atomic<std::uint32_t>& word, std::uint32_t seen,
                       std::chrono::nanoseconds /*timeout*/,
                       model::Site site = model::Site::here()) noexcept {
    model::futex_wait(word.word(), seen, site);
}
inline void futex_wake(Atomic<std::uint32_t>& word,
                       model::Site site = model::Site::here()) noexcept {
    model::futex_wake(word.word(), site);
}

}  // namespace onecopy::node
