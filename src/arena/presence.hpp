// The page behind an arena: whose it is, and whether that program still runs.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "os/fd.hpp"
#include "os/lifeline.hpp"
#include "os/mapping.hpp"

namespace onecopy::arena {

/// What stands there, in the file behind the last page that is handed out. Written by the owner
/// before it gives the file to anybody, the lifeline by the kernel too; read by whoever attaches,
/// who may be of another width.
struct Header {
    std::uint64_t magic;
    std::uint64_t capacity;             ///< bytes, this page left out
    std::uint64_t base;                 ///< where the arena begins in its owner
    std::array<std::byte, 16> program;  ///< the AT_RANDOM bytes of the program that owns it
    alignas(64) os::Lifeline life;      ///< held by a thread of the owner
};

/// The page, from whose start on it stands.
std::size_t header_bytes() noexcept;

/// The owner's side. The page is mapped a second time, apart from the arena, since it must stay
/// where it is until the thread that holds the lifeline lets go, though the arena be destroyed by
/// another thread before. Not for several threads at once.
class Presence {
public:
    /// Writes the header into `file` and takes hold. Throws std::system_error.
    Presence(const os::Fd& file, std::uint64_t base, std::uint64_t capacity);
    ~Presence();
    Presence(const Presence&) = delete;
    Presence& operator=(const Presence&) = delete;

    /// To be called now and then: takes hold again when the thread that held it has ended.
    void renew() noexcept;

    /// Around a fork, of both sides.
    static void before_fork() noexcept;
    static void after_fork() noexcept;

    /// In a forked child: lets go of the parent's pages without a word.
    void abandon() noexcept;

private:
    [[nodiscard]] Header& header() const noexcept {
        return *reinterpret_cast<Header*>(page_.data());
    }

    os::Mapping page_;
    std::uintptr_t holder_ = 0;  // the thread, see presence.cpp
};

/// A peer's side: the page, mapped for as long as this lives. Immutable; any number of threads.
class PeerPresence {
public:
    /// Throws std::system_error: EINVAL, the file is no arena of this version, or not one that
    /// stands at `base` in its owner and has `capacity` bytes; ENOMEM.
    PeerPresence(const os::Fd& file, std::uint64_t base, std::uint64_t capacity);

    /// Whether the owner certainly still runs the program that made the arena. One load, see
    /// os::Lifeline::held().
    [[nodiscard]] bool owner_is_here() const noexcept { return header().life.held(); }

    [[nodiscard]] const std::array<std::byte, 16>& program() const noexcept {
        return header().program;
    }

    /// In a forked child; nothing may be asked then.
    void abandon() noexcept { page_ = os::Mapping(); }

private:
    [[nodiscard]] const Header& header() const noexcept {
        return *reinterpret_cast<const Header*>(page_.data());
    }
    os::Mapping page_;
};

}  // namespace onecopy::arena
