// What stands for std::atomic and for plain shared data in a modelled program.
#pragma once

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "model/checker.hpp"

namespace onecopy::model {

/// As std::atomic<T>. (No two within a word of Shared.) A weak exchange never fails for no reason.
template <class T>
class alignas(sizeof(T) < 4 ? 4 : alignof(T)) Atomic {
    static_assert(sizeof(T) <= 8 && std::is_trivially_copyable_v<T>);

public:
    using value_type = T;
    constexpr Atomic() noexcept = default;
    constexpr Atomic(T value) noexcept : first_(value) {}
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    T load(std::memory_order order = std::memory_order_seq_cst,
           Site site = Site::here()) const noexcept {
        return value(model::load(word(), order, site));
    }
    void store(T value, std::memory_order order = std::memory_order_seq_cst,
               Site site = Site::here()) noexcept {
        model::store(word(), bits(value), order, site);
    }
    T exchange(T value, std::memory_order order = std::memory_order_seq_cst,
               Site site = Site::here()) noexcept {
        return update(Update::exchange, value, order, site);
    }
    T fetch_add(T value, std::memory_order order = std::memory_order_seq_cst,
                Site site = Site::here()) noexcept {
        return update(Update::add, value, order, site);
    }
    T fetch_sub(T value, std::memory_order order = std::memory_order_seq_cst,
                Site site = Site::here()) noexcept {
        return update(Update::subtract, value, order, site);
    }
    bool compare_exchange_strong(T& expected, T desired, std::memory_order order,
                                 std::memory_order otherwise, Site site = Site::here()) noexcept {
        const std::uint64_t before = model::update(word(), Update::compare, bits(desired),
                                                   bits(expected), order, otherwise, site);
        if (before == bits(expected)) return true;
        expected = value(before);
        return false;
    }
    bool compare_exchange_strong(T& expected, T desired,
                                 std::memory_order order = std::memory_order_seq_cst,
                                 Site site = Site::here()) noexcept {
        return compare_exchange_strong(expected, desired, order, without_release(order), site);
    }
    bool compare_exchange_weak(T& expected, T desired, std::memory_order order,
                               std::memory_order otherwise, Site site = Site::here()) noexcept {
        return compare_exchange_strong(expected, desired, order, otherwise, site);
    }
    bool compare_exchange_weak(T& expected, T desired,
                               std::memory_order order = std::memory_order_seq_cst,
                               Site site = Site::here()) noexcept {
        return compare_exchange_strong(expected, desired, order, without_release(order), site);
    }

    [[nodiscard]] Word word() const noexcept { return {&first_, bits(first_)}; }

private:
    static std::uint64_t bits(T value) noexcept {
        std::uint64_t bits = 0;
        std::memcpy(&bits, &value, sizeof value);
        return bits;
    }
    static T value(std::uint64_t bits) noexcept {
        T value;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    }
    static std::memory_order without_release(std::memory_order order) noexcept {
        if (order == std::memory_order_acq_rel) return std::memory_order_acquire;
        return order == std::memory_order_release ? std::memory_order_relaxed : order;
    }
    T update(Update how, T operand, std::memory_order order, Site site) noexcept {
        return value(model::update(word(), how, bits(operand), 0, order, order, site));
    }

    /// What it held at first; the graph knows what came then.
    T first_{};
};

/// Data that several threads use, one after the other: each access is looked at for races.
template <class T>
class Plain {
public:
    constexpr Plain() noexcept = default;
    constexpr Plain(const T& value) noexcept : value_(value) {}
    Plain(const Plain& other) noexcept : value_(static_cast<const T&>(other)) {}
    Plain& operator=(const Plain& other) noexcept { return *this = static_cast<const T&>(other); }
    Plain& operator=(const T& value) noexcept {
        note_write(this, sizeof *this);
        value_ = value;
        return *this;
    }
    operator const T&() const noexcept {
        note_read(this, sizeof *this);
        return value_;
    }

private:
    T value_{};
};

}  // namespace onecopy::model
