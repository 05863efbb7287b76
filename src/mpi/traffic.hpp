// How the bytes of the operations we carry reach us, counted per mechanism.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <span>

#include "attach/engine.hpp"
#include "onecopy/process.hpp"
#include "onecopy/result.hpp"
#include "onecopy/transfer.hpp"

namespace onecopy::mpi {

/// One process's counts; any thread adds to them.
struct Traffic {
    std::atomic<std::uint64_t> process_vm{0};
    std::atomic<std::uint64_t> proc_mem{0};
    std::atomic<std::uint64_t> staged{0};
};

/// An engine of the attach layer that counts what it moves.
class CountingEngine final : public attach::Engine {
public:
    CountingEngine(const attach::Engine& engine, std::atomic<std::uint64_t>& count) noexcept
        : engine_(engine), count_(count) {}

    [[nodiscard]] std::string_view name() const noexcept override { return engine_.name(); }
    [[nodiscard]] plan::Limits limits() const noexcept override { return engine_.limits(); }
    [[nodiscard]] int admit(const attach::Target& target, attach::Direction direction,
                            int refusal) const noexcept override {
        return engine_.admit(target, direction, refusal);
    }
    [[nodiscard]] attach::Step move(const attach::Target& target, attach::Direction direction,
                                    const plan::Batch& batch) const noexcept override {
        const attach::Step step = engine_.move(target, direction, batch);
        count_.fetch_add(step.bytes, std::memory_order_relaxed);
        return step;
    }

private:
    const attach::Engine& engine_;
    std::atomic<std::uint64_t>& count_;
};

/// onecopy::read(), counted.
class CountedReader {
public:
    explicit CountedReader(Traffic& traffic) noexcept;
    Transfer read(const Process& from, std::uint64_t address, Segment into) const noexcept;

private:
    CountingEngine process_vm_;
    CountingEngine proc_mem_;
    std::array<const attach::Engine*, 2> engines_;
};

}  // namespace onecopy::mpi
