// What the ways of `onecopy bench transfer` have in common in which one side does it all.
#pragma once

#include <sys/types.h>

#include <algorithm>
#include <cstdlib>
#include <system_error>

#include "cli/bench_ways.hpp"
#include "onecopy/reduce.hpp"

namespace onecopy::cli {

/// local = local + remote, on doubles.
inline void add(std::span<std::byte> local, const std::byte* remote) noexcept {
    const std::error_code error = combine(Op::sum, Type::float64, local.data(), remote,
                                          local.data(), local.size() / sizeof(double));
    if (error) std::abort();  // sum of doubles is in MPI's table
}

/// A way in which one side does it all: the sender in write and incast, the receiver otherwise.
class OneSided : public Way {
public:
    OneSided(Work work, const Lane& lane) : Way(lane), work_(work) {}

    [[nodiscard]] bool works(Side side) const override { return side == worker(); }

    bool step(Side side) override {
        if (side == worker()) run(message_bytes());
        return true;
    }

    /// The proof is a message of 8 bytes.
    void open(Side side) override {
        if (side != worker()) return;
        prepare();
        try {
            run(std::min<std::size_t>(8, source().size()));
        } catch (const std::system_error& error) {
            throw Refused(error.what());
        }
    }

protected:
    [[nodiscard]] Side worker() const noexcept {
        return work_ == Work::write || work_ == Work::incast ? Side::sender : Side::receiver;
    }
    [[nodiscard]] pid_t peer() const noexcept {
        return worker() == Side::sender ? lane().receiver : lane().sender;
    }

    [[nodiscard]] Work work() const noexcept { return work_; }

    virtual void prepare() {}
    virtual void run(std::size_t bytes) = 0;

private:
    Work work_;
};

}  // namespace onecopy::cli
