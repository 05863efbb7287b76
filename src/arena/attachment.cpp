#include "onecopy/attachment.hpp"

#include <cerrno>
#include <utility>

#include "arena/peer_arena.hpp"
#include "arena/window_cache.hpp"
#include "attach/target.hpp"

namespace onecopy {

Windows::Windows(WindowLimits limits) : cache_(std::make_shared<arena::WindowCache>(limits)) {}
Windows::~Windows() = default;
Windows::Windows(Windows&&) noexcept = default;
Windows& Windows::operator=(Windows&&) noexcept = default;

std::size_t Windows::mapped() const noexcept { return cache_->mapped(); }

View::View() noexcept = default;
View::View(View&&) noexcept = default;
View& View::operator=(View&&) noexcept = default;
View::~View() = default;
View::View(std::shared_ptr<arena::Window> window, std::span<std::byte> bytes) noexcept
    : window_(std::move(window)), bytes_(bytes) {}

Attachment::Attachment(const Windows& windows, int fd, std::uint64_t base)
    : arena_(std::make_shared<arena::PeerArena>(windows.cache(), os::Fd(fd), base)) {}
Attachment::~Attachment() = default;
Attachment::Attachment(Attachment&&) noexcept = default;
Attachment& Attachment::operator=(Attachment&&) noexcept = default;

std::size_t Attachment::capacity() const noexcept { return arena_->capacity(); }

bool Attachment::owns(std::uint64_t address, std::uint64_t bytes) const noexcept {
    return arena_->owns(address, bytes);
}

View Attachment::reach(std::uint64_t address, std::uint64_t bytes,
                       std::error_code& error) const noexcept {
    error.clear();
    if (bytes == 0) return {};
    if (!arena_->owns(address, 1)) {
        error.assign(EFAULT, std::system_category());
        return {};
    }
    arena::WindowCache::Found found = arena_->found_at(address, bytes);
    if (!found.window) {
        error.assign(errno, std::system_category());
        return {};
    }
    return {std::move(found.window), found.bytes};
}

std::uint64_t Attachment::address_of(const View& view) const noexcept {
    if (!view.window_ || view.window_->arena() != arena_->number()) return 0;
    const auto within = view.bytes_.data() - view.window_->bytes().data();
    return arena_->base() + view.window_->index() * arena_->window_bytes() +
           static_cast<std::uint64_t>(within);
}

void Attachment::serve(const Process& process) const {
    if (process.empty()) return;
    const attach::ImageCookie& cookie = process.target().cookie();
    // Where the cookie cannot be had, the word in the arena must speak.
    if (cookie.known() ? !cookie.matches(arena_->program()) : !arena_->owner_is_here()) {
        throw std::system_error(ESRCH, std::system_category(),
                                "onecopy: serve a process from an arena: it is another program's");
    }
    process.target().serve_by(arena_);
}

}  // namespace onecopy
