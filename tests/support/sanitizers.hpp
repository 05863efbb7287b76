// Tests that a sanitizer cannot be part of.
#pragma once

#include <gtest/gtest.h>

#if defined(__SANITIZE_THREAD__)
/// ThreadSanitizer has a thread, mappings and much memory of its own in every process, and holds a
/// forked child of a process with threads for one that has lost them.
#define ONECOPY_NOT_UNDER_TSAN(why) GTEST_SKIP() << "ThreadSanitizer: " << (why)
#else
#define ONECOPY_NOT_UNDER_TSAN(why) static_cast<void>(0)
#endif
