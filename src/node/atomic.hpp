// What the lock-free parts of the node are made of, in one place: tests/model puts its own in place
// of this header, and runs the same code in every way that the memory model allows.
#pragma once

#include <atomic>

#include "os/fence.hpp"
#include "os/futex.hpp"

namespace onecopy::node {

template <class T>
using Atomic = std::atomic<T>;

/// What more than one process sees and only one at a time uses: whose turn it is, an Atomic says.
template <class T>
using Plain = T;

using os::full_fence;
using os::futex_wait;
using os::futex_wake;

}  // namespace onecopy::node
