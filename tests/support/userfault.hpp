// Pages that are missing until somebody serves them: whoever reads one in the kernel waits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace onecopy::test {

/// Registers pages with userfaultfd(2). They must be untouched. The kernel lets go when the owner
/// process ends, which is all a test needs: so there is no destructor, and it can live in a child.
class Userfault {
public:
    /// `error` is 0, or why it cannot be done here (EPERM: not permitted to this user).
    Userfault(void* begin, std::size_t bytes, int& error) noexcept;

    /// Fills the page at `at` with `value` and lets its waiters go on; errno or 0.
    [[nodiscard]] int serve(void* at, std::uint8_t value) const noexcept;

    /// Waits until somebody waits for a page; its address, 0 if that fails.
    [[nodiscard]] std::uint64_t next_fault() const noexcept;

private:
    int fd_ = -1;
};

}  // namespace onecopy::test
