// What the tests of troubles have in common.
#pragma once

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "node/endpoint.hpp"
#include "onecopy/communicator.hpp"
#include "os/mapping.hpp"
#include "ranks.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"
#include "support/rights.hpp"

namespace onecopy {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using test::die;
using test::Ranks;

constexpr int guard_ms = test::deadlock_guard_ms;

/// Whether these ranks ended with status 0 before the guard; says how if not.
inline bool end_well(Ranks& ranks, const std::vector<int>& which, int guard = guard_ms) {
    const auto end = steady_clock::now() + milliseconds(guard);
    bool good = true;
    for (const int rank : which) {
        int status = 0;
        pid_t got = 0;
        while ((got = ::waitpid(ranks.pid(rank), &status, WNOHANG)) == 0) {
            if (steady_clock::now() > end) {
                std::fprintf(stderr, "rank %d hangs\n", rank);
                good = false;
                break;
            }
            ::usleep(500);
        }
        if (got > 0 && status != 0) {
            std::fprintf(stderr, "rank %d ended with %#x\n", rank, static_cast<unsigned>(status));
            good = false;
        }
    }
    return good;
}

inline bool has_pattern(std::span<const std::byte> bytes, unsigned seed) {
    return test::first_difference(bytes, seed) == bytes.size();
}

}  // namespace onecopy
