#include "windows/atomics.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>

#include "reduce/elements.hpp"

namespace onecopy::windows {
namespace {

template <class Word>
constexpr bool in_one_instruction = std::atomic_ref<Word>::is_always_lock_free;
static_assert(in_one_instruction<std::uint8_t> && in_one_instruction<std::uint16_t> &&
              in_one_instruction<std::uint32_t>);
static_assert(std::atomic_ref<std::uint8_t>::required_alignment == 1 &&
              std::atomic_ref<std::uint16_t>::required_alignment == 2 &&
              std::atomic_ref<std::uint32_t>::required_alignment == 4 &&
              std::atomic_ref<std::uint64_t>::required_alignment == 8);

template <class Word>
std::atomic_ref<Word> word_at(std::byte* at) noexcept {
    return std::atomic_ref<Word>(*reinterpret_cast<Word*>(at));
}
template <class Word>
Word load(const std::byte* at) noexcept {
    Word word;
    std::memcpy(&word, at, sizeof word);
    return word;
}
template <class Word>
void store(std::byte* at, Word word) noexcept {
    std::memcpy(at, &word, sizeof word);
}

bool is_integer(Type type) noexcept {
    const std::size_t row = reduction::row_of(type);
    return row < reduction::type_count && reduction::types[row].kind == reduction::kind::integer;
}

/// False: the processor has no instruction for it.
template <class Word>
bool change_directly(std::byte* target, const std::byte* operand, std::byte* before,
                     std::size_t count, const Operator& how) noexcept {
    using Ref = std::atomic_ref<Word>;
    // For each element `act`(its word, the operand), which gives what was there.
    const auto each = [&](const auto& act) {
        for (std::size_t i = 0; i < count * sizeof(Word); i += sizeof(Word)) {
            const Word given = operand != nullptr ? load<Word>(operand + i) : Word{0};
            const Word was = act(word_at<Word>(target + i), given);
            if (before != nullptr) store(before + i, was);
        }
        return true;
    };
    if (how.combine.is_foreign()) return false;
    if (how.op == Op::no_op) return each([](Ref word, Word) { return word.load(); });
    if (how.op == Op::replace && before == nullptr) {
        return each([](Ref word, Word given) {
            word.store(given, std::memory_order_release);
            return given;
        });
    }
    if (how.op == Op::replace) {
        return each([](Ref word, Word given) { return word.exchange(given); });
    }
    if (!is_integer(how.type)) return false;
    switch (how.op) {
        case Op::sum:
            return each([](Ref word, Word given) { return word.fetch_add(given); });
        case Op::band:
            return each([](Ref word, Word given) { return word.fetch_and(given); });
        case Op::bor:
            return each([](Ref word, Word given) { return word.fetch_or(given); });
        case Op::bxor:
            return each([](Ref word, Word given) { return word.fetch_xor(given); });
        default:
            return false;
    }
}

/// From `was`. A caller's function may leave padding as it was, so it starts from there.
void compute(const Operator& how, const std::byte* operand, const std::byte* was,
             std::byte* becomes, std::size_t bytes) noexcept {
    if (how.combine.is_foreign()) {
        std::memcpy(becomes, was, bytes);
        was = becomes;
    }
    how.combine(operand, was, becomes, bytes);
}

/// Tile by tile: all of it is computed from what is there, by the kernels; what somebody else has
/// changed meanwhile is computed again, one by one.
template <class Word>
void change_words(std::byte* target, const std::byte* operand, std::byte* before, std::size_t count,
                  const Operator& how) noexcept {
    if (change_directly<Word>(target, operand, before, count, how)) return;
    constexpr std::size_t tile_bytes = 1024;
    alignas(64) std::array<std::byte, tile_bytes> was;
    alignas(64) std::array<std::byte, tile_bytes> becomes;
    for (std::size_t left = count * sizeof(Word); left > 0;) {
        const std::size_t bytes = std::min(left, tile_bytes);
        for (std::size_t i = 0; i < bytes; i += sizeof(Word)) {
            store(was.data() + i, word_at<Word>(target + i).load(std::memory_order_relaxed));
        }
        compute(how, operand, was.data(), becomes.data(), bytes);
        for (std::size_t i = 0; i < bytes; i += sizeof(Word)) {
            Word seen = load<Word>(was.data() + i);
            while (!word_at<Word>(target + i)
                        .compare_exchange_strong(seen, load<Word>(becomes.data() + i))) {
                store(was.data() + i, seen);
                compute(how, operand + i, was.data() + i, becomes.data() + i, sizeof(Word));
            }
        }
        if (before != nullptr) {
            std::memcpy(before, was.data(), bytes);
            before += bytes;
        }
        target += bytes;
        operand += bytes;
        left -= bytes;
    }
}

template <class Word>
void swap_word(std::byte* target, const std::byte* expected, const std::byte* desired,
               std::byte* before) noexcept {
    Word seen = load<Word>(expected);
    word_at<Word>(target).compare_exchange_strong(seen, load<Word>(desired));
    store(before, seen);
}

/// Calls `act` with some word of so many bytes: 1, 2, 4 or 8.
template <class Act>
void with_word_of(std::size_t bytes, const Act& act) noexcept {
    switch (bytes) {
        case 1:
            return act(std::uint8_t{});
        case 2:
            return act(std::uint16_t{});
        case 4:
            return act(std::uint32_t{});
        default:
            return act(std::uint64_t{});
    }
}

}  // namespace

bool by_processor(std::size_t element_bytes, std::uint64_t address) noexcept {
    switch (element_bytes) {
        case 1:
        case 2:
        case 4:
            return address % element_bytes == 0;
        case 8:
            return in_one_instruction<std::uint64_t> && address % 8 == 0;
        default:
            return false;
    }
}

void change_atomically(std::byte* target, const std::byte* operand, std::byte* before,
                       std::size_t count, const Operator& how) noexcept {
    with_word_of(how.combine.element_bytes(), [&](auto word) {
        change_words<decltype(word)>(target, operand, before, count, how);
    });
}

void swap_atomically(std::byte* target, const std::byte* expected, const std::byte* desired,
                     std::byte* before, std::size_t bytes) noexcept {
    with_word_of(bytes,
                 [&](auto word) { swap_word<decltype(word)>(target, expected, desired, before); });
}

}  // namespace onecopy::windows
