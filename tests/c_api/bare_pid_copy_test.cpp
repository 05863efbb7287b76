// Flags 0: the two functions are the two system calls. Every case is put to both.
#include <gtest/gtest.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <functional>
#include <string>
#include <vector>

#include "onecopy/onecopy.h"
#include "support/child.hpp"
#include "support/memory.hpp"
#include "support/rights.hpp"

extern "C" int onecopy_test_flags_in_c(void);

namespace onecopy::test {
namespace {

using Call = ssize_t (*)(pid_t, const iovec*, unsigned long, const iovec*, unsigned long,
                         unsigned long);

struct Answer {
    ssize_t result;
    int error;
    bool operator==(const Answer&) const = default;
};

void PrintTo(const Answer& answer, std::ostream* out) {
    *out << answer.result << " errno " << answer.error;
}

struct Case {
    std::string name;
    std::function<Answer(Call)> ask;
};

Answer answer(ssize_t result) { return {result, result < 0 ? errno : 0}; }

iovec at(const void* address, std::size_t bytes) { return {const_cast<void*>(address), bytes}; }

void* kernel_address() { return reinterpret_cast<void*>(~std::uintptr_t{0} - 65535); }

TEST(BarePid, AnswersAsTheSystemCallDoesInEveryCase) {
    const Memory remote({Page::writable, Page::read_only, Page::no_access, Page::hole}, 1);
    const Memory local({Page::writable, Page::hole}, 2);
    const Child child;
    const pid_t pid = child.pid();
    char* const here = reinterpret_cast<char*>(local.data());
    char* const there = reinterpret_cast<char*>(remote.data());
    const auto one = [=](const void* near, std::size_t near_bytes, const void* far,
                         std::size_t far_bytes, pid_t who, unsigned long flags = 0) {
        return [=](Call call) {
            const iovec l = at(near, near_bytes), r = at(far, far_bytes);
            return answer(call(who, &l, 1, &r, 1, flags));
        };
    };
    const auto counts = [=](unsigned long near, unsigned long far, pid_t who) {
        return [=](Call call) {
            std::vector<iovec> l(2048, at(here, 1)), r(2048, at(there, 1));
            return answer(call(who, l.data(), near, r.data(), far, 0));
        };
    };
    const std::vector<Case> cases{
        {"whole page", one(here, page, there, page, pid)},
        {"stops at the exact byte", one(here, page, there + page - 10, 20, pid)},
        {"read-only page", one(here, 8, there + page, 8, pid)},
        {"protected page", one(here, 8, there + 2 * page, 8, pid)},
        {"hole", one(here, 8, there + 3 * page, 8, pid)},
        {"local hole after 5 bytes", one(here + page - 5, 8, there, 8, pid)},
        {"local hole", one(here + page, 8, there, 8, pid)},
        {"zero bytes", one(here, 0, there, 8, pid)},
        {"zero remote bytes, nobody there", one(here, 8, there, 0, -1)},
        {"nobody there", one(here, 8, there, 8, -1)},
        {"pid 0", one(here, 8, there, 8, 0)},
        {"INT_MIN", one(here, 8, there, 8, INT_MIN)},
        {"local kernel address", one(kernel_address(), 8, there, 8, pid)},
        {"local kernel address, nobody there", one(kernel_address(), 8, there, 8, -1)},
        {"remote kernel address", one(here, 8, kernel_address(), 8, pid)},
        {"negative local length", one(here, SIZE_MAX, there, 8, pid)},
        {"negative remote length", one(here, 8, there, SIZE_MAX, pid)},
        {"1024 elements", counts(1024, 1024, pid)},
        {"1025 local elements", counts(1025, 1, pid)},
        {"1025 remote elements", counts(1, 1025, pid)},
        {"1025 remote elements, no local ones", counts(0, 1025, pid)},
        {"-1 local elements", counts(-1UL, 1, pid)},
        {"null local list",
         [=](Call call) {
             const iovec r = at(there, 8);
             return answer(call(pid, nullptr, 1, &r, 1, 0));
         }},
        {"null remote list",
         [=](Call call) {
             const iovec l = at(here, 8);
             return answer(call(pid, &l, 1, nullptr, 1, 0));
         }},
        {"list in a hole",
         [=](Call call) {
             const iovec r = at(there, 8);
             return answer(call(pid, reinterpret_cast<const iovec*>(here + page), 1, &r, 1, 0));
         }},
        {"first element bad",
         [=](Call call) {
             const iovec l = at(here, 16);
             const std::vector<iovec> r{at(there + 3 * page, 8), at(there, 8)};
             return answer(call(pid, &l, 1, r.data(), r.size(), 0));
         }},
        {"second element bad",
         [=](Call call) {
             const iovec l = at(here, 24);
             const std::vector<iovec> r{at(there, 8), at(there + 3 * page, 8), at(there, 8)};
             return answer(call(pid, &l, 1, r.data(), r.size(), 0));
         }},
        {"self", one(here, 8, here + 16, 8, ::getpid())},
    };
    for (const Case& c : cases) {
        EXPECT_EQ(c.ask(onecopy_readv), c.ask(::process_vm_readv)) << "readv: " << c.name;
        EXPECT_EQ(c.ask(onecopy_writev), c.ask(::process_vm_writev)) << "writev: " << c.name;
    }
}

TEST(BarePid, RefusesAnotherUsersProcessAsTheSystemCallDoes) {
    ONECOPY_NEEDS_ROOT();
    const Child child;
    static char byte = 1;
    const auto [ours, kernels] = forked([pid = child.pid()] {
        become(user());
        const iovec v = at(&byte, 1);
        return std::array<int, 2>{onecopy_readv(pid, &v, 1, &v, 1, 0) < 0 ? errno : 0,
                                  ::process_vm_readv(pid, &v, 1, &v, 1, 0) < 0 ? errno : 0};
    });
    EXPECT_EQ(ours, EPERM);
    EXPECT_EQ(kernels, EPERM);
}

TEST(BarePid, KnowsTheFlagsOfC) {
    EXPECT_EQ(onecopy_test_flags_in_c(), ONECOPY_SUM | ONECOPY_FLOAT64);
}

}  // namespace
}  // namespace onecopy::test
