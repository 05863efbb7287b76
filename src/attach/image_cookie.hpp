// The mark by which a memory image is known.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace onecopy::attach {

/// The sixteen random bytes that the kernel puts on the stack of every program it starts, for the
/// program's own use (stack protector). Read in the very call that reads data, as its first
/// element, they prove which image the data came from: not before, not after it. Descriptors of
/// /proc cannot say that: while anybody reads in an image, it looks alive, though its process has
/// gone or become another program. Immutable once learnt. Source: getauxval(3), AT_RANDOM; proc(5),
/// /proc/PID/auxv.
class ImageCookie {
public:
    using Bytes = std::array<std::byte, 16>;

    /// Learns it from the process that `pid` means at this moment; known() afterwards if it could.
    void learn(int pid) noexcept;

    /// Whether /proc/PID/mem (descriptor `mem`) shows the same: both then mean one image. False if
    /// none is known.
    [[nodiscard]] bool shown_by(int mem) const noexcept;
    /// Forgets it unless `mem` shows it.
    void confirm(int mem) noexcept {
        if (!shown_by(mem)) address_ = 0;
    }

    [[nodiscard]] bool known() const noexcept { return address_ != 0; }
    [[nodiscard]] std::uint64_t address() const noexcept { return address_; }
    [[nodiscard]] bool matches(const Bytes& bytes) const noexcept { return bytes == bytes_; }

    /// What the process that `pid` means now has there: `missing` if nothing is mapped there any
    /// more, `unknown` if the kernel does not let us look. 1.2 us.
    enum class Answer { same, different, missing, unknown };
    [[nodiscard]] Answer ask(int pid) const noexcept;

private:
    std::uint64_t address_ = 0;
    Bytes bytes_{};
};

}  // namespace onecopy::attach
