// A word that the kernel takes from a thread that ends.
#include "os/lifeline.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "support/child.hpp"
#include "support/memory.hpp"

namespace onecopy::test {
namespace {

constexpr std::chrono::milliseconds guard{deadlock_guard_ms};

/// Shared with all children.
os::Lifeline& shared_life() {
    static const Memory memory(page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
    auto* const life = reinterpret_cast<os::Lifeline*>(memory.data());
    EXPECT_TRUE(os::Lifeline::make_at(life));
    return *life;
}

std::int64_t hold(const Words& words) {
    return reinterpret_cast<os::Lifeline*>(words[0])->hold() ? 1 : 0;
}

class LifelineOfAChild : public testing::Test {
protected:
    void SetUp() override {
        EXPECT_FALSE(life_.held());
        ASSERT_EQ(child_.run(hold, reinterpret_cast<std::uintptr_t>(&life_)), 1);
        EXPECT_TRUE(life_.held());
        EXPECT_FALSE(life_.hold());
        EXPECT_FALSE(life_.wait_until_lost(std::chrono::milliseconds(1)));
        EXPECT_TRUE(life_.held());  // having waited changes nothing
    }
    os::Lifeline& life_ = shared_life();
    Child child_;
};

TEST_F(LifelineOfAChild, IsLostWhenItIsKilled) {
    child_.kill();
    EXPECT_TRUE(life_.wait_until_lost(guard));
    EXPECT_FALSE(life_.held());
}

TEST_F(LifelineOfAChild, IsLostWhenItExits) {
    child_.start([](const Words&) -> std::int64_t { ::_exit(0); });
    EXPECT_TRUE(life_.wait_until_lost(guard));
}

TEST_F(LifelineOfAChild, IsLostWhenItExecutesAnotherProgram) {
    child_.start(
        [](const Words&) -> std::int64_t { return ::execl("/bin/sleep", "sleep", "60", nullptr); });
    EXPECT_TRUE(eventually([&] { return !life_.held(); }));
    EXPECT_EQ(::kill(child_.pid(), 0), 0);
    EXPECT_TRUE(life_.wait_until_lost(guard));
}

TEST_F(LifelineOfAChild, IsNotInheritedByItsChildren) {
    const auto grandchild = static_cast<pid_t>(child_.run([](const Words&) -> std::int64_t {
        const pid_t made = ::fork();
        if (made == 0) {
            ::alarm(60);
            ::pause();
        }
        return made;
    }));
    child_.kill();
    EXPECT_TRUE(life_.wait_until_lost(guard));
    ::kill(grandchild, SIGKILL);
}

TEST(Lifeline, OfAThreadThatEndsAloneCanBeTakenOver) {
    os::Lifeline& life = shared_life();
    std::thread([&] { EXPECT_TRUE(life.hold()); }).join();
    EXPECT_FALSE(life.held());
    EXPECT_TRUE(life.hold());
    EXPECT_TRUE(life.held());
    life.let_go();
    EXPECT_FALSE(life.held());
}

}  // namespace
}  // namespace onecopy::test
