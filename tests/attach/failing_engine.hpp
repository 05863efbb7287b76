// An engine for tests: moves so many bytes, by the system call, and then fails.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "attach/engine.hpp"

namespace onecopy::test {

using attach::Engine;

class FailingEngine final : public Engine {
public:
    /// `error` 0: short counts for ever after (of nothing), so it must not be asked again.
    FailingEngine(std::uint64_t bytes, int error) noexcept : left_(bytes), error_(error) {}

    void admit_with(int error) noexcept { admission_ = error; }
    [[nodiscard]] int calls() const noexcept { return calls_; }
    [[nodiscard]] std::uint64_t moved() const noexcept { return moved_; }

    [[nodiscard]] std::string_view name() const noexcept override { return "failing"; }
    [[nodiscard]] plan::Limits limits() const noexcept override {
        return {attach::batch_runs, attach::batch_runs, attach::batch_bytes};
    }
    [[nodiscard]] int admit(const attach::Target& /*target*/, attach::Direction /*direction*/,
                            int /*refusal*/) const noexcept override {
        return admission_;
    }
    [[nodiscard]] attach::Step move(const attach::Target& target, attach::Direction direction,
                                    const plan::Batch& batch) const noexcept override {
        ++calls_;
        if (left_ == 0) return {0, error_};
        // The first bytes of the batch: fewer runs, and the last of them shorter.
        std::array<plan::Run, attach::batch_runs> local;
        std::array<plan::Run, attach::batch_runs> remote;
        const std::uint64_t bytes = std::min(left_, batch.bytes);
        const plan::Batch some{local.data(), remote.data(), clip(batch.local, bytes, local.data()),
                               clip(batch.remote, bytes, remote.data()), bytes};
        const attach::Step step = attach::process_vm_engine().move(target, direction, some);
        left_ -= step.bytes;
        moved_ += step.bytes;
        return step;
    }

private:
    static std::size_t clip(const plan::Run* from, std::uint64_t bytes, plan::Run* to) noexcept {
        std::size_t runs = 0;
        while (bytes > 0) {
            to[runs] = {from[runs].address, std::min(from[runs].bytes, bytes)};
            bytes -= to[runs++].bytes;
        }
        return runs;
    }

    mutable std::uint64_t left_;
    mutable std::uint64_t moved_ = 0;
    mutable int calls_ = 0;
    int error_;
    int admission_ = 0;
};

}  // namespace onecopy::test
