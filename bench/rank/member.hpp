// What a rank of a bench is made of that compares libraries by jobs of ranks: driver.cpp is
// compiled once with each library and with the works of the bench.
//
// The bench says what is to be done (cli/bench_control.hpp); a member of the job does it by its
// library, and the ranks' own clocks say how long each operation took. What the ranks do between
// operations goes through a barrier of the bench's own, the same for all libraries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>

#include "cli/bench_control.hpp"

namespace onecopy::bench {

/// Why a way cannot be measured here: one line for the report.
class Unusable : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct Setup {
    int rank = -1;  // -1: the library knows
    int ranks = 0;
    std::string folder;          // for names: of this job alone
    std::size_t area_bytes = 0;  // all messages that a rank has under way at once
    std::size_t largest = 0;     // of one message
    bool crowded = false;        // more ranks than cores: who waits should let others run
    std::span<const int> cpus;   // that the ranks are bound to, in turn; none: unbound
};

/// One rank's part in the operations of a turn.
class Work {
public:
    Work() = default;
    Work(const Work&) = delete;
    Work& operator=(const Work&) = delete;
    virtual ~Work() = default;

    /// Before the clock: writes what is to be sent, and spoils what is to be overwritten.
    virtual void prepare(std::uint64_t batch) = 0;
    virtual void run() = 0;
    /// Behind the clock: whether every byte is right that came to this rank.
    [[nodiscard]] virtual bool verify() = 0;
    /// Whether this rank has anything to do in run().
    [[nodiscard]] virtual bool timed() const { return true; }
};

/// One rank of a job. For one thread. All but the destructor may throw std::exception, whose text
/// ends up in the report.
class Member {
public:
    Member() = default;
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;
    virtual ~Member() = default;

    [[nodiscard]] virtual int rank() const = 0;

    /// Its part in what the bench has commanded to `ranks` ranks. Throws Unusable if it does not
    /// know the work.
    [[nodiscard]] virtual std::unique_ptr<Work> make_work(const cli::JobCommand& command,
                                                          int ranks) = 0;

    /// All messages that were received have been read.
    virtual void release() {}

    /// Called over and over while the rank waits for others outside of the clock.
    virtual void progress() {}
};

/// What is measured, and its version: "ZeroMQ 4.3.4". Asked once the member is there.
std::string library();

/// Joins the job. Throws Unusable, or any std::exception.
std::unique_ptr<Member> join(const Setup& setup);

}  // namespace onecopy::bench
