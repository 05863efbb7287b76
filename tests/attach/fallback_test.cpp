// Going on with the next engine: at the exact byte, for the right reasons, and for no other.
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "contract.hpp"
#include "failing_engine.hpp"
#include "support/rights.hpp"

namespace onecopy::test {
namespace {

/// Moves through a failing engine and then the real ones.
Transfer through(FailingEngine& first, const Engine& second, Direction direction,
                 const Process& process, const std::vector<Segment>& local,
                 const std::vector<RemoteSegment>& remote) {
    const std::array<const Engine*, 2> list{&first, &second};
    if (direction == Direction::read) return attach::read(process.target(), remote, local, list);
    const std::vector<ConstSegment> source(local.begin(), local.end());
    return attach::write(process.target(), source, remote, list);
}

TEST(Fallback, AWayThatClosesHandsOverAtTheExactByte) {
    const Memory far({Page::writable}, 5);
    const Memory near({Page::writable}, 6);
    Child child;
    const Process process(child.pid(), {false, true});
    for (const int error : {EPERM, EACCES, ENOSYS, EOPNOTSUPP}) {
        for (const std::uint64_t at : {0U, 1U, 49U, 50U, 99U, 100U, 149U}) {
            fill(near.span(), 6);
            FailingEngine first(at, error);
            const Transfer got = through(first, attach::proc_mem_engine(), Direction::read, process,
                                         {near.span(10, 50), near.span(200, 100)},
                                         {{far.address(7), 120}, {far.address(500), 30}});
            EXPECT_EQ(got.bytes, 150U);
            EXPECT_FALSE(got.error) << got.error.message();
            EXPECT_EQ(first.moved(), at);
            EXPECT_EQ(first_difference(near.span(10, 50), 5, 7), 50U);
            EXPECT_EQ(first_difference(near.span(200, 70), 5, 57), 70U);
            EXPECT_EQ(first_difference(near.span(270, 30), 5, 500), 30U);
            EXPECT_EQ(near.data()[300], pattern(6, 300));
        }
    }
}

TEST(Fallback, OtherErrorsEndTheTransferWhereTheyStand) {
    const Memory far({Page::writable}, 5);
    const Memory near({Page::writable}, 6);
    Child child;
    const Process process(child.pid(), {false, true});
    for (const int error : {EFAULT, ENOMEM, EIO, EAGAIN, EMFILE}) {
        FailingEngine first(40, error);
        FailingEngine second(1000, 0);
        const Transfer got = through(first, second, Direction::read, process, {near.span(0, 100)},
                                     {{far.address(), 100}});
        EXPECT_EQ(got.bytes, 40U);
        EXPECT_EQ(got.error.value(), error);
        EXPECT_EQ(second.calls(), 0);
    }
}

TEST(Fallback, AFaultIsNeverTriedByAnotherEngine) {
    // /proc/PID/mem would force a write into read-only memory, and read what is protected.
    const Memory far({Page::writable, Page::no_access}, 5);
    const Memory near({Page::writable}, 6);
    Child child;
    const Process process(child.pid(), {false, true});
    std::array<std::byte, 100> bytes{};
    const Transfer got = read(process, far.address(page - 30), bytes);
    EXPECT_EQ(got.bytes, 30U);
    EXPECT_EQ(got.error.value(), EFAULT);
    const Transfer put = write(process, near.span(0, 100), far.address(page - 30));
    EXPECT_EQ(put.bytes, 30U);
    EXPECT_EQ(put.error.value(), EFAULT);
}

TEST(Fallback, AnEngineThatDoesNotAdmitIsNotAskedToMove) {
    const Memory far({Page::writable}, 5);
    const Memory near({Page::writable}, 6);
    Child child;
    const Process process(child.pid());
    FailingEngine first(0, 0);
    first.admit_with(EOPNOTSUPP);
    EXPECT_EQ(through(first, attach::proc_mem_engine(), Direction::write, process,
                      {near.span(0, 10)}, {{far.address(), 10}})
                  .bytes,
              10U);
    EXPECT_EQ(first.calls(), 0);
    first.admit_with(ESRCH);  // the memory is gone for all of them
    EXPECT_EQ(through(first, attach::proc_mem_engine(), Direction::write, process,
                      {near.span(0, 10)}, {{far.address(), 10}})
                  .error.value(),
              ESRCH);
}

TEST(Fallback, WhenEveryWayIsClosedThePtraceRefusalIsReported) {
    const Memory far({Page::writable}, 5);
    const Memory near({Page::writable}, 6);
    Child child;
    const Process process(child.pid());
    struct Case {
        int first, second, reported;
    };
    for (const Case& c : {Case{EPERM, EACCES, EPERM}, Case{EACCES, ENOSYS, EPERM},
                          Case{ENOSYS, EOPNOTSUPP, ENOSYS}, Case{ENOSYS, EPERM, EPERM},
                          Case{EOPNOTSUPP, EACCES, EPERM}, Case{EOPNOTSUPP, EOPNOTSUPP, EPERM}}) {
        FailingEngine first(3, c.first);
        FailingEngine second(4, c.second);
        const Transfer got = through(first, second, Direction::read, process, {near.span(0, 100)},
                                     {{far.address(), 100}});
        EXPECT_EQ(got.bytes, 7U);
        EXPECT_EQ(got.error.value(), c.reported) << c.first << " then " << c.second;
        EXPECT_EQ(first_difference(near.span(0, 7), 5), 7U);
    }
}

TEST(Fallback, AnEmptyTransferAsksNoEngine) {
    const Memory near(page);
    Child child;
    const Process process(child.pid());
    FailingEngine first(0, EPERM);
    FailingEngine second(0, EPERM);
    const Transfer got =
        through(first, second, Direction::read, process, {near.span(0, 0)}, {{8, 100}});
    EXPECT_FALSE(got.error);
    EXPECT_EQ(got.bytes, 0U);
    EXPECT_EQ(first.calls() + second.calls(), 0);
}

/// What works in a process whose filter refuses the two system calls.
struct Filtered {
    int setup, access, alone;
    Transfer read, write, held_write, self, alone_read;
    bool right, alive, image;
};

Filtered under_filter(int error, bool opened_before) {
    const Memory far({Page::writable, Page::writable}, 5);
    const Memory near({Page::writable, Page::writable}, 6);
    Child child;
    return forked([&] {
        Filtered got{};
        const std::array refusals{Refusal{SYS_process_vm_readv, error},
                                  Refusal{SYS_process_vm_writev, error}};
        const auto all = [&](const Process& process, const Process& held) {
            got.access = process.access().value();
            got.read = read(process, far.address(10), near.span(0, page));
            got.right = first_difference(near.span(0, page), 5, 10) == page;
            got.write = write(process, near.span(0, 100), far.address());
            got.held_write = write(held, near.span(0, 100), far.address());
            got.alone_read = transfer(ways()[0], Direction::read, held, {}, {});
            const Segment local = near.span(0, 8);
            const RemoteSegment remote{far.address(), 8};
            got.alone_read = transfer(ways()[0], Direction::read, held, std::span(&local, 1),
                                      std::span(&remote, 1));
            got.alive = process.alive();
            got.image = process.same_image();
            const Process self = Process::self();
            got.self = read(self, far.address(10), near.span(0, page));
        };
        if (opened_before) {
            const Process process(child.pid());
            const Process held(child.pid(), {false, true});
            got.setup = refuse(refusals);
            all(process, held);
        } else {
            got.setup = refuse(refusals);
            all(Process(child.pid()), Process(child.pid(), {false, true}));
        }
        return got;
    });
}

TEST(SeccompFilter, LeavesTheWayThroughProcMem) {
    for (const int error : {EPERM, ENOSYS, EACCES}) {
        for (const bool before : {true, false}) {
            const Filtered got = under_filter(error, before);
            ASSERT_EQ(got.setup, 0);
            EXPECT_EQ(got.access, 0);
            EXPECT_EQ(got.read.bytes, page);
            EXPECT_FALSE(got.read.error);
            EXPECT_TRUE(got.right);
            EXPECT_EQ(got.write.bytes, 100U);
            EXPECT_EQ(got.held_write.bytes, 100U);
            EXPECT_EQ(got.self.bytes, page);
            EXPECT_TRUE(got.alive);
            EXPECT_TRUE(got.image);
            EXPECT_EQ(got.alone_read.bytes, 0U);
            EXPECT_EQ(got.alone_read.error.value(), error == ENOSYS ? ENOSYS : EPERM);
        }
    }
}

TEST(SeccompFilter, OverlapWithinOneselfIsStillMemmove) {
    const bool right = forked([] {
        const std::array refusals{Refusal{SYS_process_vm_readv, ENOSYS},
                                  Refusal{SYS_process_vm_writev, ENOSYS}};
        if (refuse(refusals) != 0) return false;
        const Memory memory(16 * page);
        const Process self = Process::self();
        for (const std::size_t distance : {1U, 100U, 5000U}) {
            fill(memory.span(), 1);
            const Transfer up = read(self, memory.address(), memory.span(distance, 8 * page));
            if (up.error || first_difference(memory.span(distance, 8 * page), 1) != 8 * page)
                return false;
            fill(memory.span(), 1);
            const Transfer down = read(self, memory.address(distance), memory.span(0, 8 * page));
            if (down.error || first_difference(memory.span(0, 8 * page), 1, distance) != 8 * page)
                return false;
        }
        return true;
    });
    EXPECT_TRUE(right);
}

TEST(EngineStep, IsExactBeforeALocalHoleByItself) {
    // The loop above an engine would repair a count that is too low; other callers have no such
    // loop.
    for (const Engine* engine : attach::engines()) {
        const Memory near({Page::writable, Page::writable, Page::writable, Page::hole}, 6);
        const Memory far({Page::writable, Page::writable, Page::writable, Page::writable}, 5);
        Child child;
        const auto mapped =
            std::find_if(ways().begin(), ways().end(), [](const Way& way) { return way.mapped; });
        const Process process =
            engine->name() == "mapped" ? open(*mapped, child) : Process(child.pid(), {false, true});
        for (const Direction direction : {Direction::read, Direction::write}) {
            std::array<plan::Run, 2> local{plan::Run{near.address(5), 100},
                                           plan::Run{near.address(page + 50), 3 * page}};
            plan::Run remote{far.address(9), 100 + 3 * page};
            const plan::Batch batch{local.data(), &remote, 2, 1, 100 + 3 * page};
            const attach::Step step = engine->move(process.target(), direction, batch);
            EXPECT_EQ(step.bytes, 100 + 2 * page - 50) << engine->name();
            EXPECT_EQ(step.error, 0);
        }
    }
}

TEST(Engines, AreListedInTheOrderOfTrial) {
    const auto list = attach::engines();
    ASSERT_GE(list.size(), 3U);
    EXPECT_EQ(list[0]->name(), "mapped");
    EXPECT_EQ(list[1]->name(), "process_vm");
    EXPECT_EQ(list[2]->name(), "proc_mem");
    for (const Engine* engine : list) {
        EXPECT_GE(engine->limits().local_runs, 1U);
        EXPECT_GE(engine->limits().remote_runs, 1U);
        EXPECT_LE(engine->limits().local_runs, attach::batch_runs);
        EXPECT_LE(engine->limits().remote_runs, attach::batch_runs);
        EXPECT_LE(engine->limits().bytes, plan::kernel_limits.bytes);
    }
}

}  // namespace
}  // namespace onecopy::test
