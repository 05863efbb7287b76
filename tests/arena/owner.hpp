// A process that has an arena, for tests of its peers.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

#include "onecopy/arena.hpp"
#include "os/fd.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"

namespace onecopy::test {

inline constexpr long pidfd_open_number = 434, pidfd_getfd_number = 438;

/// A child that has an arena, and what its parent needs to attach to it.
class Owner {
public:
    explicit Owner(std::size_t capacity) {
        base_ = static_cast<std::uint64_t>(child_.run(
            [](const Words& words) -> std::int64_t {
                arena_here() = new Arena({.capacity_bytes = size_in(words, 0)});
                return static_cast<std::int64_t>(
                    reinterpret_cast<std::uintptr_t>(arena_here()->range().data()));
            },
            capacity));
        const auto fd = static_cast<int>(
            child_.run([](const Words&) -> std::int64_t { return arena_here()->fd(); }));
        const os::Fd pidfd(static_cast<int>(::syscall(pidfd_open_number, child_.pid(), 0U)));
        file_ = os::Fd(static_cast<int>(::syscall(pidfd_getfd_number, pidfd.get(), fd, 0U)));
    }

    /// A block of the arena there, filled with the pattern.
    std::uint64_t block(std::size_t bytes, unsigned seed) {
        return static_cast<std::uint64_t>(child_.run(
            [](const Words& words) -> std::int64_t {
                auto* const at =
                    static_cast<std::byte*>(arena_here()->allocate(size_in(words, 0), 64));
                fill({at, size_in(words, 0)}, static_cast<unsigned>(words[1]));
                return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(at));
            },
            bytes, seed));
    }
    /// Where the bytes there first differ from the pattern.
    std::size_t difference(std::uint64_t address, std::size_t bytes, unsigned seed) {
        return static_cast<std::size_t>(child_.run(
            [](const Words& words) -> std::int64_t {
                return static_cast<std::int64_t>(
                    first_difference(bytes_in(words, 0), static_cast<unsigned>(words[2])));
            },
            address, bytes, seed));
    }

    /// False where the kernel does not hand descriptors over.
    [[nodiscard]] bool usable() const { return static_cast<bool>(file_); }
    [[nodiscard]] int fd() const { return ::dup(file_.get()); }
    [[nodiscard]] std::uint64_t base() const { return base_; }
    [[nodiscard]] Child& child() { return child_; }
    [[nodiscard]] std::size_t resident() const {
        struct stat facts {};
        EXPECT_EQ(::fstat(file_.get(), &facts), 0);
        return static_cast<std::size_t>(facts.st_blocks) * 512;
    }

private:
    static Arena*& arena_here() {
        static Arena* arena = nullptr;
        return arena;
    }

    Child child_;
    os::Fd file_;
    std::uint64_t base_ = 0;
};

}  // namespace onecopy::test
