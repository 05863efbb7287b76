// Targets and readers that are killed in the middle: semantics.md, section 11.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>

#include "contract.hpp"
#include "support/rights.hpp"
#include "support/userfault.hpp"

namespace onecopy::test {
namespace {

/// Rounds of a race: ONECOPY_ROUNDS multiplies them, for long runs.
int rounds(int quick) {
    const char* const factor = std::getenv("ONECOPY_ROUNDS");
    return quick * (factor != nullptr ? std::max(1, std::atoi(factor)) : 1);
}

void sleep_us(unsigned us) { std::this_thread::sleep_for(std::chrono::microseconds(us)); }

TEST_P(EngineContract, ATargetKilledAtAnyMomentGivesTrueBytesAndThenESRCH) {
    const std::size_t most = 4U << 20;
    const Memory far(most);
    const Memory near(most);
    fill(far.span(), 5);
    std::vector<std::byte> truth(most);
    fill(truth, 5);
    std::mt19937 random(std::random_device{}());
    for (int round = 0; round < rounds(15); ++round) {
        const auto seed = static_cast<unsigned>(random());
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 dice(seed);
        const std::size_t bytes = std::size_t{1} << (dice() % 23);
        const bool in_pieces = dice() % 2 == 0;
        Child child;
        const Process process = open(child);
        std::vector<Segment> local;
        std::vector<RemoteSegment> remote;
        const std::size_t piece = in_pieces ? std::max<std::size_t>(1, bytes / 700) : bytes;
        for (std::size_t at = 0; at < bytes; at += piece) {
            const std::size_t length = std::min(piece, bytes - at);
            local.push_back(near.span(at, length));
            remote.push_back({far.address(at), length});
        }
        std::jthread killer([&, delay = static_cast<unsigned>(dice() % 1500)] {
            sleep_us(delay);
            ::kill(child.pid(), SIGKILL);
        });
        Transfer got;
        do {
            std::memset(near.data(), 0xee, std::min(bytes, page));
            got = transfer(way(), direction(), process, local, remote);
            if (reading()) {
                ASSERT_EQ(
                    std::memcmp(near.data(), truth.data(), static_cast<std::size_t>(got.bytes)), 0);
            }
            ASSERT_TRUE(got.error || got.bytes == bytes);
        } while (!got.error);
        EXPECT_EQ(got.error.value(), ESRCH) << got.error.message();
        EXPECT_TRUE(process.wait_for_death(std::chrono::milliseconds(-1)));
        const Transfer after = transfer(way(), direction(), process, local, remote);
        EXPECT_EQ(after.bytes, 0U);
        EXPECT_EQ(after.error.value(), ESRCH);
    }
}

/// In a child: makes the memory missing. When somebody waits for it, dies `delay` us later.
std::int64_t wait_for_a_reader_and_die(const Words& words) {
    int error = 0;
    const Userfault fault(reinterpret_cast<void*>(words[0]), size_in(words, 1), error);
    *reinterpret_cast<volatile unsigned char*>(words[3]) = error == 0 ? 1 : 2;
    if (error != 0) return error;
    (void)fault.next_fault();
    const auto delay = static_cast<unsigned>(words[2]);
    if (delay > 0) sleep_us(delay);
    ::kill(::getpid(), SIGKILL);
    return 0;
}

/// Three pages of which a target dies while it is read: the first is there, and for the others,
/// which nobody serves, the kernel invents zeros when it has died.
struct DyingPages {
    Memory far{3 * page};
    Memory near{3 * page};
    Memory flag{page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1};

    DyingPages() { fill(far.span(0, page), 5); }

    /// One round: moves all of it to or from `child`, which dies `delay` us after the move has
    /// begun to wait.
    Transfer move(const Way& way, Direction direction, const Process& process, Child& child,
                  unsigned delay) const {
        fill(near.span(), 6);
        flag.data()[0] = std::byte{0};
        child.start(wait_for_a_reader_and_die, far.address(page), 2 * page, delay, flag.address());
        const bool ready = eventually([&] { return flag.data()[0] != std::byte{0}; });
        if (!ready || flag.data()[0] != std::byte{1}) throw std::runtime_error("no userfaultfd");
        const Segment local = near.span(0, 2 * page);
        const RemoteSegment remote{far.address(), 2 * page};
        return transfer(way, direction, process, std::span(&local, 1), std::span(&remote, 1));
    }

    /// What must have come of it: nothing that the target did not have.
    void expect_nothing_invented(const Transfer& got, bool reading) const {
        ASSERT_EQ(got.error.value(), ESRCH) << got.bytes << " bytes";
        ASSERT_LE(got.bytes, page);
        if (reading) {
            ASSERT_EQ(first_difference(near.span(0, got.bytes), 5), got.bytes);
        }
    }
};

TEST_P(EngineContract, ZerosThatTheKernelInventsForADyingTargetAreNeverASuccess) {
    ONECOPY_NEEDS_ROOT();
    if (differs(Difference::never_waits_for_a_page)) return;  // nothing is ever invented for it
    const DyingPages pages;
    for (int round = 0; round < rounds(60); ++round) {
        SCOPED_TRACE(round);
        Child child;
        const Process process = open(child);
        const unsigned delay = round % 4 == 0 ? 0 : static_cast<unsigned>(round * 7 % 200);
        pages.expect_nothing_invented(pages.move(way(), direction(), process, child, delay),
                                      reading());
        if (HasFatalFailure()) return;
    }
}

TEST_P(EngineContract, ZerosAreNeverASuccessWhileSomebodyElseReadsInTheTarget) {
    // The other reader pins the memory: by the descriptors it looks alive, though its process dies.
    ONECOPY_NEEDS_ROOT();
    if (differs(Difference::never_waits_for_a_page)) return;
    constexpr std::size_t large = (sizeof(void*) == 8 ? 64U : 4U) << 20;
    const Memory much(large);
    fill(much.span(), 7);
    const Memory room(large);
    const DyingPages pages;
    for (int round = 0; round < rounds(12); ++round) {
        SCOPED_TRACE(round);
        Child child;
        const Process process = open(child);
        std::jthread other([&] {
            while (read(process, much.address(), room.span()).bytes == large) {
            }
        });
        const auto delay = static_cast<unsigned>(round * 997 % 20000);
        pages.expect_nothing_invented(pages.move(way(), direction(), process, child, delay),
                                      reading());
        if (HasFatalFailure()) return;
    }
}

TEST(DyingTarget, InventsNothingForAReaderThatMayNotOpenMem) {
    ONECOPY_NEEDS_ROOT();
    // CAP_SYS_PTRACE alone reads by system call, but may not open another user's /proc/PID/mem:
    // there is no descriptor that would tell that the memory is gone.
    Identity tracer = user(1001);
    tracer.permitted = tracer.effective = std::uint64_t{1} << 19;  // CAP_SYS_PTRACE
    const DyingPages pages;
    for (int round = 0; round < rounds(40); ++round) {
        Child child;
        const auto error = forked([&] {
            if (become(tracer) != 0) return -1;
            const Process process(child.pid());
            const Transfer got = pages.move(ways()[2], Direction::read, process, child,
                                            static_cast<unsigned>(round % 2 * round * 5));
            return got.bytes > page ? -2 : got.error.value();
        });
        ASSERT_EQ(error, ESRCH) << "round " << round;
    }
}

TEST_P(EngineContract, AReaderCanBeKilledInTheMiddleOfATransfer) {
    const std::size_t bytes = 64U << 20;
    const Memory far(bytes);
    const Memory near(bytes);
    Child target;
    for (int round = 0; round < rounds(4); ++round) {
        Child reader;
        const Job work = [](const Words& w) -> std::int64_t {
            const Process process(static_cast<int>(w[0]), {false, true});
            const Way& way = ways()[size_in(w, 1)];
            const Segment local = bytes_in(w, 2);
            const RemoteSegment remote{w[4], w[3]};
            for (;;) {
                (void)transfer(way, static_cast<Direction>(w[5]), process, std::span(&local, 1),
                               std::span(&remote, 1));
            }
        };
        std::size_t index = 0;
        while (ways()[index].name != way().name) ++index;
        reader.start(work, target.pid(), index, near.data(), bytes, far.address(),
                     static_cast<int>(direction()));
        nap(3 + round);
        reader.kill();  // returns once it has ended
    }
    const Job lives = [](const Words&) -> std::int64_t { return 1; };
    EXPECT_EQ(target.run(lives), 1);
}

}  // namespace
}  // namespace onecopy::test
