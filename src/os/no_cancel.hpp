// Keeping a thread from being cancelled where it must not stop half-way.
#pragma once

#include <pthread.h>

namespace onecopy::os {

/// Many system calls are cancellation points, and a cancelled thread leaves them by unwinding: out
/// of a function that is noexcept, that ends the process. While one of these lives, a cancellation
/// waits. Costs some nanoseconds, no system call. Source: pthread_setcancelstate(3).
class NoCancel {
public:
    NoCancel() noexcept { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
    ~NoCancel() { ::pthread_setcancelstate(before_, nullptr); }
    NoCancel(const NoCancel&) = delete;
    NoCancel& operator=(const NoCancel&) = delete;

private:
    int before_ = PTHREAD_CANCEL_ENABLE;
};

}  // namespace onecopy::os
