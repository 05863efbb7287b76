// A vector cut into parts of nearly the same size.
#pragma once

#include <cstdint>
#include <numeric>

namespace onecopy::schedule {

/// Cuts between elements; where the parts are long, on a whole number of cache lines from the
/// begin, so that two ranks seldom write into one line. Short vectors leave some parts empty.
class Slices {
public:
    /// `bytes` is a multiple of `grain`.
    Slices(std::uint64_t bytes, std::uint64_t grain, int parts) noexcept
        : bytes_(bytes), parts_(static_cast<std::uint64_t>(parts)), unit_(grain) {
        const std::uint64_t lines = std::lcm(grain, std::uint64_t{64});
        if (bytes / parts_ >= 4 * lines) unit_ = lines;
    }

    /// Of part `i`; of the last plus one, the vector's end.
    [[nodiscard]] std::uint64_t begin(int i) const noexcept {
        const auto part = static_cast<std::uint64_t>(i);
        if (part == parts_) return bytes_;
        const std::uint64_t units = bytes_ / unit_;
        return (units / parts_ * part + units % parts_ * part / parts_) * unit_;
    }
    [[nodiscard]] std::uint64_t bytes(int i) const noexcept { return begin(i + 1) - begin(i); }

private:
    std::uint64_t bytes_, parts_, unit_;
};

}  // namespace onecopy::schedule
