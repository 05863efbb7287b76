// The door of an arena: how a peer that was not started by its owner gets the descriptor.
//
// Three packets: the knock (who asks, with the secret), and the answer (the arena, with its file)
// or the end of the connection. The secret is told only to who runs as our own user, or sits at a
// file in a directory that is closed to others: nobody else can have taken the name.
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>
#include <vector>

#include "arena/forks.hpp"
#include "onecopy/handover.hpp"
#include "os/fd.hpp"
#include "os/sha256.hpp"
#include "os/unix_socket.hpp"

namespace onecopy {
namespace {

constexpr std::uint64_t magic = 0x3172'6f6f'4463'6e6f;  // changes with the packets below
constexpr std::chrono::seconds patience{1};

struct Knock {
    std::uint64_t magic;
    JobSecret secret;
};
struct Answer {
    std::uint64_t magic, base, capacity;
};

[[noreturn]] void fail(int error, const char* what) {
    throw std::system_error(error, std::system_category(), what);
}

/// Whether only our own user can make a file beside this one.
bool in_closed_directory(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    struct stat facts {};
    return ::stat(directory.c_str(), &facts) == 0 && facts.st_uid == ::geteuid() &&
           (facts.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

os::SocketName socket_name(std::string_view name) {
    return name.starts_with('@') ? os::SocketName::abstract(name.substr(1))
                                 : os::SocketName::file(name);
}

bool is_our_user(int socket) {
    ucred peer{};
    return os::peer_of(socket, peer) && peer.uid == ::geteuid();
}

}  // namespace

JobSecret make_job_secret() {
    JobSecret secret;
    if (::getrandom(secret.data(), secret.size(), 0) != static_cast<ssize_t>(secret.size())) {
        fail(errno, "getrandom");
    }
    return secret;
}

struct ArenaDoor::State final : private arena::ForkAware {
    using Clock = std::chrono::steady_clock;
    /// Somebody who is connected and has not said who he is.
    struct Caller {
        os::Fd socket;
        Clock::time_point since;
    };

    JobSecret secret;
    Answer answer{};
    os::Fd arena;
    Admit admit = Admit::same_user;
    std::string name;
    os::Fd listener;
    os::Fd events;  // an epoll of the listener and of all callers
    std::vector<Caller> callers;
    bool remove_file = false;

    State() { enter_forks(); }
    ~State() override {
        leave_forks();
        if (remove_file) ::unlink(name.c_str());
    }
    /// The door stays the parent's.
    void in_child() noexcept override {
        remove_file = false;
        for (Caller& caller : callers) caller.socket = os::Fd{};
        for (os::Fd* each : {&arena, &listener, &events}) *each = os::Fd{};
    }
    void watch(const os::Fd& socket) const noexcept {
        epoll_event event{};
        event.events = EPOLLIN;
        ::epoll_ctl(events.get(), EPOLL_CTL_ADD, socket.get(), &event);
    }
};

ArenaDoor::ArenaDoor(const Arena& arena, const JobSecret& secret, const std::string& path,
                     Admit admit)
    : state_(std::make_unique<State>()) {
    State& self = *state_;
    self.secret = secret;
    self.answer = {magic, reinterpret_cast<std::uintptr_t>(arena.range().data()),
                   arena.range().size()};
    self.arena = os::Fd(::dup(arena.fd()));
    self.admit = admit;
    self.events = os::Fd(::epoll_create1(EPOLL_CLOEXEC));
    if (!self.arena || !self.events) fail(errno, "onecopy: door of an arena");
    if (path.empty()) {
        if (admit == Admit::secret)
            fail(EPERM, "onecopy: door of an arena: for other users it must be a file");
        self.name = "@onecopy-arena-";
        for (const std::byte b : make_job_secret()) {
            self.name += static_cast<char>('a' + static_cast<int>(b) % 26);
        }
    } else {
        if (admit == Admit::secret && !in_closed_directory(path)) {
            fail(EPERM, "onecopy: door of an arena: others may write its directory");
        }
        self.name = path;
    }
    self.listener = os::listen_at(socket_name(self.name));
    self.remove_file = !path.empty();
    self.watch(self.listener);
}

ArenaDoor::~ArenaDoor() = default;
ArenaDoor::ArenaDoor(ArenaDoor&&) noexcept = default;
ArenaDoor& ArenaDoor::operator=(ArenaDoor&&) noexcept = default;

const std::string& ArenaDoor::name() const noexcept { return state_->name; }

int ArenaDoor::fd() const noexcept { return state_->events.get(); }

std::size_t ArenaDoor::answer() noexcept {
    State& self = *state_;
    const auto now = State::Clock::now();
    while (os::Fd caller = os::accept_from(self.listener.get())) {
        if (self.admit == Admit::same_user && !is_our_user(caller.get())) continue;
        self.watch(caller);
        try {
            self.callers.push_back({std::move(caller), now});
        } catch (const std::bad_alloc&) {
            break;  // it finds the door closed
        }
    }
    std::size_t let_in = 0;
    std::erase_if(self.callers, [&](const State::Caller& caller) {
        Knock knock{};
        os::Fd nothing;
        const ssize_t got = os::receive_packet(
            caller.socket.get(), std::as_writable_bytes(std::span(&knock, 1)), nothing);
        if (got < 0) return now - caller.since > patience;
        if (got == static_cast<ssize_t>(sizeof knock) && knock.magic == magic &&
            os::same_digest(knock.secret, self.secret)) {
            const auto answer = std::as_bytes(std::span(&self.answer, 1));
            let_in += os::send_packet(caller.socket.get(), answer, self.arena.get()) ? 1 : 0;
        }
        return true;
    });
    return let_in;
}

Attachment knock(const Windows& windows, std::string_view name, const JobSecret& secret,
                 std::chrono::milliseconds timeout) {
    const auto end = std::chrono::steady_clock::now() + timeout;
    const auto left_ms = [&] {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
            end - std::chrono::steady_clock::now());
        return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 1 << 30));
    };
    constexpr const char* what = "onecopy: knock at an arena's door";
    os::Fd socket;
    std::error_code error;
    while (!(socket = os::connect_to(socket_name(name), error))) {
        if (error != std::errc::resource_unavailable_try_again)
            throw std::system_error(error, what);
        if (left_ms() == 0) fail(ETIMEDOUT, what);
        ::usleep(1000);  // its queue is full
    }
    if (!is_our_user(socket.get()) &&
        (name.starts_with('@') || !in_closed_directory(std::string(name)))) {
        fail(EACCES, what);
    }
    const Knock request{magic, secret};
    if (!os::send_packet(socket.get(), std::as_bytes(std::span(&request, 1)))) fail(errno, what);
    if (!os::wait_readable(socket.get(), left_ms())) fail(ETIMEDOUT, what);
    Answer answer{};
    os::Fd arena;
    const ssize_t got =
        os::receive_packet(socket.get(), std::as_writable_bytes(std::span(&answer, 1)), arena);
    if (got <= 0) fail(EACCES, what);
    if (got != static_cast<ssize_t>(sizeof answer) || answer.magic != magic || !arena) {
        fail(EPROTO, what);
    }
    return Attachment(windows, arena.release(), answer.base);
}

}  // namespace onecopy
