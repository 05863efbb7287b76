// What the tests of windows have in common.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <span>
#include <system_error>
#include <vector>

#include "node/troubles.hpp"
#include "onecopy/node.hpp"
#include "onecopy/window.hpp"

namespace onecopy::test {

/// Where the memory of a window comes from.
enum class From { allocate, arena, ordinary };
inline constexpr std::array every_kind = {From::allocate, From::arena, From::ordinary};

/// A window of one of these kinds, zero at first, and its memory.
class AnyWindow {
public:
    AnyWindow(Node& node, From from, std::size_t bytes)
        : AnyWindow(node, node.world(), from, bytes) {}
    AnyWindow(Node& node, Communicator& ranks, From from, std::size_t bytes)
        : memory_(from == From::ordinary ? std::pmr::new_delete_resource()
                                         : static_cast<std::pmr::memory_resource*>(&node.arena())) {
        if (from == From::allocate) {
            window = Window::allocate(ranks, node.arena(), bytes);
            std::memset(window.memory().data(), 0, window.memory().size());
        } else {
            memory_.resize(bytes);
            window = Window::create(ranks, memory_);
        }
        window.fence();
    }

private:
    std::pmr::vector<std::byte> memory_;

public:
    Window window;
};

template <class T>
T at(Window& window, int rank, std::size_t index) {
    T value{};
    window.get(std::span(&value, 1), rank, index * sizeof(T));
    return value;
}
template <class T>
void set(Window& window, int rank, std::size_t index, const T& value) {
    window.put(std::span(&value, 1), rank, index * sizeof(T));
}

template <class T>
void set(Window& window, int rank, std::size_t index, const T& value, std::error_code& error) {
    window.put(std::as_bytes(std::span(&value, 1)), rank, index * sizeof(T), error);
}

/// A rank's own elements.
template <class T>
std::span<T> own(Window& window) {
    return {reinterpret_cast<T*>(window.memory().data()), window.memory().size() / sizeof(T)};
}

}  // namespace onecopy::test
