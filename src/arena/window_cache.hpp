// The mapped windows of all peers' arenas, a bounded number of them.
#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <utility>

#include "arena/forks.hpp"
#include "onecopy/attachment.hpp"
#include "os/fd.hpp"
#include "os/mapping.hpp"
#include "os/process_number.hpp"

namespace onecopy::arena {

/// One mapped window. Kept mapped by whoever holds it, and by the cache.
class Window {
public:
    Window(os::Mapping memory, std::uint64_t arena, std::uint64_t index) noexcept
        : memory_(std::move(memory)), arena_(arena), index_(index) {}
    ~Window() {
        // A forked child has nothing mapped there, or something else by now.
        if (os::process_number() != maker_) (void)memory_.release();
    }
    Window(const Window&) = delete;
    Window& operator=(const Window&) = delete;

    [[nodiscard]] std::span<std::byte> bytes() const noexcept { return memory_.bytes(); }
    /// Which arena (a number given by the cache), and which window of it.
    [[nodiscard]] std::uint64_t arena() const noexcept { return arena_; }
    [[nodiscard]] std::uint64_t index() const noexcept { return index_; }

private:
    os::Mapping memory_;
    std::uint64_t arena_, index_;
    std::uint32_t maker_ = os::process_number();
};

/// All members may be called by several threads: one lock, held while a window is mapped.
/// A forked child has none of them: they are not inherited.
class WindowCache final : private ForkAware {
public:
    explicit WindowCache(WindowLimits limits);
    ~WindowCache() override;

    [[nodiscard]] std::size_t window_bytes() const noexcept { return limits_.window_bytes; }
    [[nodiscard]] std::size_t mapped() const noexcept;

    /// A number for a new arena.
    std::uint64_t enter() noexcept;
    /// Forgets its windows; those in use stay mapped until they are let go.
    void leave(std::uint64_t arena) noexcept;

    /// The window that holds byte `offset` of the arena, mapped from `file` if it is not yet, and
    /// the bytes from there on to its end; null and errno if that fails. `capacity` is the arena's.
    struct Found {
        std::shared_ptr<Window> window;
        std::span<std::byte> bytes;
    };
    Found get(std::uint64_t arena, std::uint64_t offset, const os::Fd& file,
              std::size_t capacity) noexcept;

private:
    void before_fork() noexcept override { lock_.lock(); }
    void after_fork() noexcept override { lock_.unlock(); }
    void in_child() noexcept override;

    using Key = std::pair<std::uint64_t, std::uint64_t>;
    struct Entry {
        std::shared_ptr<Window> window;
        std::list<Key>::iterator age;
    };
    void make_room() noexcept;

    std::shared_ptr<Window> find_or_map(const Key& key, const os::Fd& file,
                                        std::size_t capacity) noexcept;

    WindowLimits limits_;
    unsigned window_shift_;  // log2 of a window's bytes
    mutable std::mutex lock_;
    std::map<Key, Entry> windows_;
    std::list<Key> by_use_;  // the least recently used first
    // The last of them, found without a search; null when it is not known. A transfer meets these
    // lines alone, cold as they are behind a message that filled the first-level cache.
    Key last_key_{};
    const Entry* last_ = nullptr;
    std::span<std::byte> last_bytes_;
    std::uint64_t last_arena_ = 0;
};

}  // namespace onecopy::arena
