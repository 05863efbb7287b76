// A peer's arena, seen from here: mapped window by window, for as long as it is used.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <system_error>

#include "onecopy/process.hpp"

namespace onecopy {

namespace arena {
class Window;
class WindowCache;
class PeerArena;
}  // namespace arena

/// How much of all peers' arenas is mapped at a time.
struct WindowLimits {
    /// Bytes of one window, a power of two, at least 2 MiB.
    std::size_t window_bytes = std::size_t{64} << 20;
    /// Windows at the most, unless more are in use at the same moment. A mapping costs some hundred
    /// bytes of the kernel's memory and page tables for what was touched through it. (Batch systems
    /// that sum up RSS count the peers' pages again: docs/arena.md.)
    std::size_t windows = 256;
};

/// The windows of this process, shared by its attachments: mapped when first needed, and of those
/// that nobody uses the one least recently used goes when a new one needs its place.
/// Movable; any number of threads. Must outlive the attachments that use it.
class Windows {
public:
    explicit Windows(WindowLimits limits = {});
    ~Windows();
    Windows(Windows&&) noexcept;
    Windows& operator=(Windows&&) noexcept;

    /// How many are mapped now.
    [[nodiscard]] std::size_t mapped() const noexcept;

    /// For the layers above.
    [[nodiscard]] const std::shared_ptr<arena::WindowCache>& cache() const noexcept {
        return cache_;
    }

private:
    std::shared_ptr<arena::WindowCache> cache_;
};

/// A run of a peer's memory, readable and writable here while this lives. Movable.
class View {
public:
    View() noexcept;
    View(View&&) noexcept;
    View& operator=(View&&) noexcept;
    ~View();

    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return bytes_; }

private:
    friend class Attachment;
    friend class arena::PeerArena;
    View(std::shared_ptr<arena::Window> window, std::span<std::byte> bytes) noexcept;

    std::shared_ptr<arena::Window> window_;
    std::span<std::byte> bytes_;
};

/// A peer's arena.
///
/// It holds the file: the memory stays readable when its owner has ended, with what was in it then.
/// Nothing here says whether the owner lives or whether a block is still handed out; bytes of freed
/// blocks are what the next owner of the place writes, or zeros. Any number of threads.
class Attachment {
public:
    /// `fd` is the arena's file, as received; taken over. `base` is where the arena begins in its
    /// owner (Arena::range()). Throws std::system_error: EINVAL, it is no sealed memfd (whoever
    /// made it could shrink it, which would be a SIGBUS here), no arena, or not one that begins at
    /// `base`.
    Attachment(const Windows& windows, int fd, std::uint64_t base);
    ~Attachment();
    Attachment(Attachment&&) noexcept;
    Attachment& operator=(Attachment&&) noexcept;

    /// Bytes of the arena.
    [[nodiscard]] std::size_t capacity() const noexcept;

    /// Whether all of the run lies in the arena.
    [[nodiscard]] bool owns(std::uint64_t address, std::uint64_t bytes) const noexcept;

    /// The memory that stands at `address` in the owner, from there on up to `bytes` or the end of
    /// the window: ask again for the rest. Maps nothing but the window, and touches nothing: a page
    /// that its owner never touched comes into being when it is read here.
    /// Empty, and `error` set: EFAULT, outside of the arena; ENOMEM, EMFILE: it could not be
    /// mapped.
    View reach(std::uint64_t address, std::uint64_t bytes, std::error_code& error) const noexcept;

    /// Where a byte of a view stands in the owner; 0 if it is not in one of this arena's windows.
    [[nodiscard]] std::uint64_t address_of(const View& view) const noexcept;

    /// From now on read(), write() and reduce() of `process` copy straight from and to its arena,
    /// and go the other ways for the rest of its memory. Once for each handle. Throws
    /// std::system_error: ESRCH, the process does not run the program that made this arena (it has
    /// ended or become another one since). Which of two processes that came from each other by fork
    /// is meant, the caller must know.
    void serve(const Process& process) const;

private:
    std::shared_ptr<arena::PeerArena> arena_;
};

}  // namespace onecopy
