// A thread of a modelled program: a stack of its own that is switched to and from by hand.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <memory>

namespace onecopy::model {

/// Begun anew for each execution. One that is left in the middle is never gone on with, and nothing
/// on its stack is destroyed: what lives there must not own anything.
class Fiber {
public:
    /// `run(argument)` must not return: it switches back for good.
    void begin(void (*run)(), ucontext_t& back) {
        if (!stack_) stack_ = std::make_unique<std::byte[]>(stack_bytes);
        ::getcontext(&context_);
        context_.uc_stack.ss_sp = stack_.get();
        context_.uc_stack.ss_size = stack_bytes;
        context_.uc_link = &back;
        ::makecontext(&context_, run, 0);
    }
    [[nodiscard]] ucontext_t& context() noexcept { return context_; }

private:
    static constexpr std::size_t stack_bytes = std::size_t{128} << 10;
    ucontext_t context_{};
    std::unique_ptr<std::byte[]> stack_;
};

}  // namespace onecopy::model
