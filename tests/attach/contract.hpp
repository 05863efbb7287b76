// The contract that every engine keeps: the suite EngineContract, run for each way and direction.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "attach/transfer.hpp"
#include "onecopy/transfer.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"

namespace onecopy::test {

using attach::Direction;

/// What an engine cannot promise. docs/semantics.md tells users the same, line by line.
enum class Difference : unsigned {
    none = 0,
    /// Reads pages that the target itself may not read (PROT_NONE, PROT_EXEC, PROT_WRITE alone).
    reads_protected_pages = 1,
    /// Takes a page under userfaultfd for a bad one instead of waiting for it.
    never_waits_for_a_page = 2,
    /// Cannot reach a process whose first thread has ended.
    needs_the_first_thread = 4,
    /// In a 32-bit program: cannot say an address above 4 GiB (in a 64-bit target).
    ends_at_4_gib = 8,
};
constexpr Difference operator|(Difference a, Difference b) noexcept {
    return static_cast<Difference>(static_cast<unsigned>(a) | static_cast<unsigned>(b));
}

/// A way of moving bytes that must keep the contract.
struct Way {
    const char* name;
    /// Its engines; null: the public read() and write() with their own choice.
    const attach::Engine& (*engine)() noexcept;
    bool held;
    /// Targets are asked so often beforehand whether they live that they get a flag for it.
    bool asked_often;
    /// The writable pages of all layouts stand in memory that is mapped here too.
    bool mapped;
    Difference when_reading;
    Difference when_writing;
};

/// All ways: a new engine is one more line in contract.cpp.
std::span<const Way> ways();

/// A handle as `way` wants it.
Process open(const Way& way, Child& child);

void PrintTo(const Way& way, std::ostream* out);

/// Moves bytes with `way`: read() or write() of the public interface.
Transfer transfer(const Way& way, Direction direction, const Process& process,
                  std::span<const Segment> local, std::span<const RemoteSegment> remote);

/// A run of bytes on one side of a Rig: an offset into its memory, or an address.
struct Piece {
    std::uint64_t at;
    std::uint64_t bytes;
    bool absolute = false;
};
constexpr Piece elsewhere(std::uint64_t address, std::uint64_t bytes) {
    return {address, bytes, true};
}

/// An address of the kernel's half.
inline constexpr std::uint64_t kernel_address = 0xffffffff81000000U;

using Layout = std::initializer_list<Page>;

/// A child with memory of one layout, and memory of another layout here.
class Rig {
public:
    Rig(const Way& way, Direction direction, Layout local, Layout remote);

    /// Moves from one list to the other, in the direction of the test.
    void move(std::vector<Piece> local, std::vector<Piece> remote);

    /// The last move() ended like this: so many bytes arrived, each of them right, none elsewhere,
    /// and `error` (an errno) stopped it. Takes the page protections away: the last thing to do.
    void expect(std::uint64_t bytes, int error);

    Child child;
    Process process;
    Memory local;
    Memory remote;

private:
    struct Prepared;
    Rig(const Way& way, Direction direction, Prepared&& prepared);
    [[nodiscard]] std::vector<std::byte> contents(bool of_remote);

    const Way& way_;
    Direction direction_;
    std::vector<bool> local_holes_, remote_holes_;
    Memory window_;  // shared with the child, to look at its memory by no engine at all
    std::vector<Piece> local_list_, remote_list_;
    Transfer got_;
};

class EngineContract : public ::testing::TestWithParam<std::tuple<Way, Direction>> {
protected:
    [[nodiscard]] const Way& way() const { return std::get<0>(GetParam()); }
    [[nodiscard]] Direction direction() const { return std::get<1>(GetParam()); }
    [[nodiscard]] bool reading() const { return direction() == Direction::read; }
    [[nodiscard]] bool differs(Difference difference) const;
    [[nodiscard]] Process open(Child& child) const;

    /// One run on each side, in the direction of the test.
    Transfer move(const Process& process, Segment local, std::uint64_t address) const;
};

std::string contract_name(const ::testing::TestParamInfo<std::tuple<Way, Direction>>& info);

}  // namespace onecopy::test
