// Accumulates: by instructions of the processor, or under the target's lock.
//
// Elements of 1, 2, 4 and 8 bytes at multiples of their size, in memory that all ranks have mapped,
// are changed by the processor, whatever the operation; all others under the lock, by everybody,
// the target too. So for each element all agree on the way without a word. (Who has locked the
// target exclusively is alone, and needs neither.)
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "onecopy/reduce.hpp"
#include "onecopy/transfer.hpp"
#include "windows/atomics.hpp"
#include "windows/state.hpp"

namespace onecopy::windows {
namespace {

/// Under a lock at a time: others want their turn.
constexpr std::size_t most_locked_bytes = std::size_t{64} << 10;

std::error_code kernel_error(int number) noexcept { return {number, std::system_category()}; }

Operator operator_of(const Reduction& how) noexcept {
    if (how.function.call != nullptr) return {{how.function, false}, Op::no_op, how.type};
    return {{how.op, how.type, false}, how.op, how.type};
}

/// For whoever is alone with the elements.
void change_in_place(std::byte* target, const std::byte* operand, std::byte* before,
                     std::size_t bytes, const Operator& how) noexcept {
    if (before != nullptr) std::memcpy(before, target, bytes);
    if (!how.is(Op::no_op)) how.combine(operand, target, target, bytes);
}

}  // namespace

/// What is to be done to a target's elements.
struct Change {
    const Operator& how;
    const Reduction& asked;
    const std::byte* operand;
    std::byte* before;
    std::size_t bytes;

    [[nodiscard]] Change part(std::size_t from, std::size_t most) const noexcept {
        return {how, asked, operand != nullptr ? operand + from : nullptr,
                before != nullptr ? before + from : nullptr, std::min(bytes - from, most)};
    }
};

std::error_code State::accumulate(const std::byte* from, std::byte* before, std::size_t bytes,
                                  int rank, std::size_t offset, const Reduction& how) noexcept {
    const Operator op = operator_of(how);
    if (!op.combine.usable() || bytes % op.combine.element_bytes() != 0) {
        return kernel_error(EINVAL);
    }
    if (const std::error_code error = check(rank, offset, bytes)) return error;
    if (bytes == 0 || (before == nullptr && op.is(Op::no_op))) return {};
    return change(target(rank), offset, {op, how, from, before, bytes});
}

std::error_code State::change(Target& to, std::size_t offset, const Change& change) noexcept {
    std::error_code error;
    std::byte* const memory = reach(to, error);
    if (error) return error;
    const std::size_t element = change.how.combine.element_bytes();
    const bool alone = !endpoint_.has_threads() && to.held == Held::exclusive;
    if (memory != nullptr && alone) {
        change_in_place(memory + offset, change.operand, change.before, change.bytes, change.how);
        return {};
    }
    if (to.part.in_arena != 0 && by_processor(element, to.part.address + offset)) {
        change_atomically(memory + offset, change.operand, change.before, change.bytes / element,
                          change.how);
        return {};
    }
    const std::size_t at_a_time = std::max(most_locked_bytes / element, std::size_t{1}) * element;
    for (std::size_t done = 0; done < change.bytes && !error; done += at_a_time) {
        error = change_locked(to, offset + done, change.part(done, at_a_time));
    }
    return error;
}

/// The elements are few enough for one turn.
std::error_code State::change_locked(Target& to, std::size_t offset,
                                     const Change& change) noexcept {
    return with_elements(to, [&]() -> std::error_code {
        if (std::byte* const memory = to.memory()) {
            change_in_place(memory + offset, change.operand, change.before, change.bytes,
                            change.how);
            return {};
        }
        const Process& process = *to.process();
        const std::uint64_t address = to.part.address + offset;
        if (change.before != nullptr) {
            const Transfer got = read(process, address, Segment(change.before, change.bytes));
            if (got.error) return got.error;
        }
        if (change.how.is(Op::no_op)) return {};
        const ConstSegment local(change.operand, change.bytes);
        const RemoteSegment remote{address, change.bytes};
        const auto here = std::span(&local, 1);
        const auto there = std::span(&remote, 1);
        const Reduction& how = change.asked;
        return how.function.call != nullptr
                   ? reduce_into(process, here, there, how.function).error
                   : reduce_into(process, here, there, how.op, how.type).error;
    });
}

std::error_code State::compare_and_swap(const std::byte* expected, const std::byte* desired,
                                        std::byte* before, std::size_t bytes, int rank,
                                        std::size_t offset) noexcept {
    std::error_code error = check(rank, offset, bytes);
    if (error || bytes == 0) return error;
    Target& to = target(rank);
    std::byte* const memory = reach(to, error);
    if (error) return error;
    if (to.part.in_arena != 0 && by_processor(bytes, to.part.address + offset)) {
        swap_atomically(memory + offset, expected, desired, before, bytes);
        return {};
    }
    return with_elements(to, [&]() -> std::error_code {
        const bool mapped = memory != nullptr;
        const std::uint64_t address = to.part.address + offset;
        if (mapped) {
            std::memcpy(before, memory + offset, bytes);
        } else {
            const Transfer got = read(*to.process(), address, Segment(before, bytes));
            if (got.error) return got.error;
        }
        if (std::memcmp(before, expected, bytes) != 0) return {};
        if (!mapped) return write(*to.process(), ConstSegment(desired, bytes), address).error;
        std::memcpy(memory + offset, desired, bytes);
        return {};
    });
}

}  // namespace onecopy::windows
