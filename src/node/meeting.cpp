#include "node/meeting.hpp"

#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <list>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "os/sha256.hpp"
#include "os/unix_socket.hpp"

namespace onecopy::node {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::uint64_t magic = 0x3174'656d'706f'6e6f;  // changes with the packets below
constexpr const char* what = "onecopy: join a job by its key";
constexpr milliseconds between_tries{2};

/// Nobody may keep a place for longer without saying anything.
constexpr milliseconds patience{2000};

using Nonce = std::array<std::byte, 32>;
struct Hello {  // from who comes
    std::uint64_t magic;
    Nonce nonce;
};
struct Challenge {  // from rank 0
    Nonce nonce;
    os::Digest proof;
};
struct Entry {  // from who comes
    std::int32_t rank, ranks;
    os::Digest proof;
};
struct Verdict {  // from rank 0, with the memory if it is 0
    std::int32_t error;
};

[[noreturn]] void fail(int error) { throw std::system_error(error, std::system_category(), what); }

template <class T>
std::span<const std::byte> bytes_of(const T& value) noexcept {
    return std::as_bytes(std::span(&value, 1));
}

Nonce draw() {
    Nonce nonce;
    if (::getrandom(nonce.data(), nonce.size(), 0) != static_cast<ssize_t>(nonce.size())) {
        fail(errno);
    }
    return nonce;
}

/// What a side says to prove that it knows the key: who it is, and what both have drawn.
os::Digest prove(std::string_view key, std::string_view side, const Nonce& theirs,
                 const Nonce& ours, std::int32_t rank = 0, std::int32_t ranks = 0) {
    std::vector<std::byte> text;
    const auto add = [&](std::span<const std::byte> bytes) {
        text.insert(text.end(), bytes.begin(), bytes.end());
    };
    add(std::as_bytes(std::span(side)));
    add(theirs);
    add(ours);
    add(bytes_of(rank));
    add(bytes_of(ranks));
    return os::hmac_sha256(std::as_bytes(std::span(key)), text);
}

os::SocketName name_of(const Meeting& meeting) {
    constexpr std::string_view purpose = "onecopy job name";
    const os::Digest digest =
        os::hmac_sha256(std::as_bytes(std::span(meeting.key)), std::as_bytes(std::span(purpose)));
    std::string text = "onecopy-";
    for (std::size_t i = 0; i < 16; ++i) {
        constexpr const char* digits = "0123456789abcdef";
        text += digits[std::to_integer<unsigned>(digest[i]) >> 4];
        text += digits[std::to_integer<unsigned>(digest[i]) & 15];
    }
    if (meeting.directory.empty()) return os::SocketName::abstract(text);
    return os::SocketName::file(std::string(meeting.directory) + "/" + text);
}

void check_directory(std::string_view directory) {
    if (directory.empty()) return;
    struct stat facts {};
    if (::stat(std::string(directory).c_str(), &facts) != 0) fail(errno);
    if (facts.st_uid != ::geteuid() || (facts.st_mode & (S_IRWXG | S_IRWXO)) != 0) fail(EPERM);
}

/// Removes the listener's file when the job has met, or not.
class FileAtEnd {
public:
    explicit FileAtEnd(const os::SocketName& name) noexcept : name_(name) {}
    FileAtEnd(const FileAtEnd&) = delete;
    FileAtEnd& operator=(const FileAtEnd&) = delete;
    ~FileAtEnd() {
        if (name_.is_file()) ::unlink(name_.path.data());
    }

private:
    const os::SocketName& name_;
};

/// Rank 0's side of one connection.
struct Guest {
    os::Fd socket;
    Clock::time_point since;
    Nonce theirs{}, ours{};
    bool challenged = false;
};

class Host {
public:
    explicit Host(const Meeting& meeting)
        : meeting_(meeting),
          memory_(JobMemory::create(meeting.ranks)),
          come_(static_cast<std::size_t>(meeting.ranks)) {
        come_[0] = true;
    }

    JobMemory run() {
        const os::SocketName name = name_of(meeting_);
        const os::Fd listener = os::listen_at(name);
        const FileAtEnd file(name);
        const auto end = Clock::now() + meeting_.timeout;
        while (missing_ > 0) {
            if (Clock::now() > end) fail(ETIMEDOUT);
            while (os::Fd socket = os::accept_from(listener.get())) {
                guests_.push_back({std::move(socket), Clock::now()});
            }
            std::erase_if(guests_, [this](Guest& guest) { return serve(guest); });
            if (missing_ > 0) std::this_thread::sleep_for(between_tries);
        }
        return std::move(memory_);
    }

private:
    /// True when there is nothing more to say to it.
    bool serve(Guest& guest) {
        os::Fd nothing;
        if (!guest.challenged) {
            Hello hello{};
            const ssize_t got = os::receive_packet(
                guest.socket.get(), std::as_writable_bytes(std::span(&hello, 1)), nothing);
            if (got < 0) return Clock::now() - guest.since > patience;
            if (got != static_cast<ssize_t>(sizeof hello) || hello.magic != magic) return true;
            guest.theirs = hello.nonce;
            guest.ours = draw();
            const Challenge challenge{guest.ours,
                                      prove(meeting_.key, "host", guest.theirs, guest.ours)};
            guest.challenged = true;
            return !os::send_packet(guest.socket.get(), bytes_of(challenge));
        }
        Entry entry{};
        const ssize_t got = os::receive_packet(
            guest.socket.get(), std::as_writable_bytes(std::span(&entry, 1)), nothing);
        if (got < 0) return Clock::now() - guest.since > patience;
        if (got != static_cast<ssize_t>(sizeof entry) ||
            !os::same_digest(entry.proof, prove(meeting_.key, "guest", guest.theirs, guest.ours,
                                                entry.rank, entry.ranks))) {
            return true;
        }
        Verdict verdict{};
        const auto place = static_cast<std::size_t>(entry.rank);
        if (entry.rank < 1 || entry.rank >= meeting_.ranks || entry.ranks != meeting_.ranks) {
            verdict.error = EINVAL;
        } else if (come_[place]) {
            verdict.error = EEXIST;
        }
        const bool sent = os::send_packet(guest.socket.get(), bytes_of(verdict),
                                          verdict.error == 0 ? memory_.fd() : -1);
        if (sent && verdict.error == 0) {
            come_[place] = true;
            --missing_;
        }
        return true;
    }

    const Meeting& meeting_;
    JobMemory memory_;
    std::vector<bool> come_;
    int missing_ = meeting_.ranks - 1;
    std::list<Guest> guests_;
};

/// One packet, or the end of the connection.
template <class T>
bool receive(const os::Fd& socket, T& packet, os::Fd& fd, Clock::time_point end) {
    for (;;) {
        const auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
        if (left.count() <= 0) fail(ETIMEDOUT);
        if (!os::wait_readable(socket.get(), static_cast<int>(left.count()))) continue;
        const ssize_t got =
            os::receive_packet(socket.get(), std::as_writable_bytes(std::span(&packet, 1)), fd);
        if (got < 0 && errno == EAGAIN) continue;
        return got == static_cast<ssize_t>(sizeof packet);
    }
}

JobMemory visit(const Meeting& meeting) {
    const os::SocketName name = name_of(meeting);
    const auto end = Clock::now() + meeting.timeout;
    for (;; std::this_thread::sleep_for(between_tries)) {
        if (Clock::now() > end) fail(ETIMEDOUT);
        std::error_code error;
        const os::Fd socket = os::connect_to(name, error);
        if (!socket) continue;  // rank 0 is not there yet
        os::Fd file;
        const Hello hello{magic, draw()};
        Challenge challenge{};
        if (!os::send_packet(socket.get(), bytes_of(hello)) ||
            !receive(socket, challenge, file, end)) {
            continue;  // it had no time for us, or has ended
        }
        // Who does not know the key gets nothing from us.
        if (!os::same_digest(challenge.proof,
                             prove(meeting.key, "host", hello.nonce, challenge.nonce))) {
            fail(EADDRINUSE);
        }
        const Entry entry{
            meeting.rank, meeting.ranks,
            prove(meeting.key, "guest", hello.nonce, challenge.nonce, meeting.rank, meeting.ranks)};
        Verdict verdict{};
        if (!os::send_packet(socket.get(), bytes_of(entry)) ||
            !receive(socket, verdict, file, end)) {
            continue;
        }
        if (verdict.error != 0) fail(verdict.error);
        return JobMemory::adopt(std::move(file));
    }
}

}  // namespace

JobMemory meet(const Meeting& meeting) {
    if (meeting.ranks < 1 || meeting.ranks > max_ranks || meeting.rank < 0 ||
        meeting.rank >= meeting.ranks || meeting.key.empty()) {
        fail(EINVAL);
    }
    check_directory(meeting.directory);
    return meeting.rank == 0 ? Host(meeting).run() : visit(meeting);
}

}  // namespace onecopy::node
