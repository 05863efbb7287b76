// Handing an arena over to strangers: who is let in, and who is not.
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <system_error>
#include <thread>

#include "onecopy/handover.hpp"
#include "onecopy/transfer.hpp"
#include "os/unix_socket.hpp"
#include "support/child.hpp"
#include "support/memory.hpp"
#include "support/rights.hpp"

namespace onecopy::test {
namespace {

namespace fs = std::filesystem;
constexpr std::size_t mib = 1 << 20;
const JobSecret good_secret = make_job_secret();

/// An arena with a word in it, and a door that a thread answers.
class House {
public:
    explicit House(const std::string& path = {}, Admit admit = Admit::same_user)
        : door_(arena_, good_secret, path, admit) {
        word_ = static_cast<char*>(arena_.allocate(64 << 10, 64));
        std::strcpy(word_, "welcome");
        butler_ = std::jthread([this](const std::stop_token& stop) {
            while (!stop.stop_requested()) {
                pollfd waiting{door_.fd(), POLLIN, 0};
                ::poll(&waiting, 1, 20);
                door_.answer();
            }
        });
    }
    [[nodiscard]] const std::string& name() const { return door_.name(); }
    [[nodiscard]] std::uint64_t word() const { return reinterpret_cast<std::uintptr_t>(word_); }

private:
    Arena arena_{{.capacity_bytes = 8 * mib}};
    ArenaDoor door_;
    char* word_ = nullptr;
    std::jthread butler_;
};

/// What a knock comes to: 0 if the word could be read, or an errno.
int try_door(std::string_view name, const JobSecret& secret, std::uint64_t word) {
    try {
        const Windows windows;
        const Attachment attachment = knock(windows, name, secret, std::chrono::seconds(20));
        std::error_code error;
        const View view = attachment.reach(word, 8, error);
        if (error) return error.value();
        return std::memcmp(view.bytes().data(), "welcome", 8) == 0 ? 0 : EILSEQ;
    } catch (const std::system_error& error) {
        return error.code().value();
    }
}

/// A directory of our own.
class Directory {
public:
    explicit Directory(mode_t mode) {
        std::string name = (fs::temp_directory_path() / "onecopy-door-XXXXXX").string();
        path_ = ::mkdtemp(name.data());
        ::chmod(path_.c_str(), mode);
    }
    ~Directory() { fs::remove_all(path_); }
    Directory(const Directory&) = delete;
    Directory& operator=(const Directory&) = delete;
    [[nodiscard]] std::string file() const { return path_ / "door"; }

private:
    fs::path path_;
};

TEST(ArenaDoor, LetsInWhoKnowsTheSecret) {
    const House house;
    EXPECT_EQ(house.name().front(), '@');
    EXPECT_EQ(try_door(house.name(), good_secret, house.word()), 0);
    EXPECT_EQ(forked([&] { return try_door(house.name(), good_secret, house.word()); }), 0);
    const House other;
    EXPECT_NE(house.name(), other.name());
}

TEST(ArenaDoor, KeepsOutWhoDoesNot) {
    const House house;
    JobSecret wrong = good_secret;
    wrong.back() ^= std::byte{1};
    EXPECT_EQ(try_door(house.name(), wrong, house.word()), EACCES);
    EXPECT_EQ(try_door(house.name(), good_secret, house.word()),
              0);  // and is still there for others
}

TEST(ArenaDoor, KeepsOutOtherUsers) {
    ONECOPY_NEEDS_ROOT();
    const House house;
    const int answer = forked([&] {
        return become(user()) == 0 ? try_door(house.name(), good_secret, house.word()) : 0;
    });
    EXPECT_EQ(answer, EACCES);
}

TEST(ArenaDoor, TheSecretIsNotToldToAnotherUser) {
    ONECOPY_NEEDS_ROOT();
    // Another user has taken the name. He sees the caller, and hears nothing.
    const std::string name = "onecopy-squatter-" + std::to_string(::getpid());
    struct Shared {
        std::atomic<int> ready, asked;
    };
    const Memory page_of(page, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1);
    auto* const shared = new (page_of.data()) Shared{};
    std::thread squatter([&] {
        const int heard = forked([&] {
            if (become(user()) != 0) return -1;
            const os::Fd listener = os::listen_at(os::SocketName::abstract(name));
            shared->ready = 1;
            if (!eventually([&] { return shared->asked == 1; })) return -2;
            const os::Fd caller = os::accept_from(listener.get());
            if (!caller) return -3;
            std::array<std::byte, 64> room{};
            os::Fd nothing;
            return static_cast<int>(os::receive_packet(caller.get(), room, nothing));
        });
        EXPECT_EQ(heard, 0);  // the end of the connection, and nothing before it
    });
    EXPECT_TRUE(eventually([&] { return shared->ready == 1; }));
    EXPECT_EQ(try_door("@" + name, good_secret, 0), EACCES);
    shared->asked = 1;
    squatter.join();
}

TEST(ArenaDoor, MayBeAFile) {
    const Directory directory(0700);
    {
        const House house(directory.file());
        EXPECT_EQ(house.name(), directory.file());
        EXPECT_EQ(try_door(house.name(), good_secret, house.word()), 0);
        Arena arena({.capacity_bytes = mib});
        EXPECT_THROW(ArenaDoor(arena, good_secret, directory.file()), std::system_error);
    }
    EXPECT_FALSE(fs::exists(directory.file()));
    EXPECT_EQ(try_door(directory.file(), good_secret, 0), ENOENT);
}

TEST(ArenaDoor, TakesThePlaceOfOneThatWasLeftBehind) {
    const Directory directory(0700);
    { const os::Fd left = os::listen_at(os::SocketName::file(directory.file())); }
    ASSERT_TRUE(fs::exists(directory.file()));
    EXPECT_EQ(try_door(directory.file(), good_secret, 0), ECONNREFUSED);
    const House house(directory.file());
    EXPECT_EQ(try_door(house.name(), good_secret, house.word()), 0);
}

TEST(ArenaDoor, ForOtherUsersItMustStandInAClosedDirectory) {
    Arena arena({.capacity_bytes = mib});
    EXPECT_THROW(ArenaDoor(arena, good_secret, {}, Admit::secret), std::system_error);
    const Directory open(0777);
    EXPECT_THROW(ArenaDoor(arena, good_secret, open.file(), Admit::secret), std::system_error);
    const Directory closed(0700);
    EXPECT_NO_THROW(ArenaDoor(arena, good_secret, closed.file(), Admit::secret));
}

TEST(ArenaDoor, ASilentCallerDoesNotKeepOthersOut) {
    const House house;
    std::error_code error;
    const os::Fd silent = os::connect_to(os::SocketName::abstract(house.name().substr(1)), error);
    ASSERT_TRUE(silent);
    const os::Fd babbling = os::connect_to(os::SocketName::abstract(house.name().substr(1)), error);
    const std::array<std::byte, 7> noise{};
    EXPECT_TRUE(os::send_packet(babbling.get(), noise));
    EXPECT_EQ(try_door(house.name(), good_secret, house.word()), 0);
    // Both find the door closed.
    std::array<std::byte, 8> room{};
    os::Fd nothing;
    for (const os::Fd* caller : {&silent, &babbling}) {
        EXPECT_TRUE(eventually([&] {
            return os::receive_packet(caller->get(), room, nothing) == 0 ||
                   try_door(house.name(), good_secret, house.word()) != 0;
        }));
    }
}

TEST(ArenaDoor, AnswersThroughContainerWalls) {
    ONECOPY_NEEDS_ROOT();
    // Its own user, pid and network namespaces, without the capabilities of ours: the system call
    // is refused there, the door is not.
    const Directory directory(0700);
    const House house(directory.file(), Admit::secret);
    const pid_t owner = ::getpid();
    const int found = forked([&] {
        if (::unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWPID) != 0) return 0;
        std::ofstream("/proc/self/setgroups") << "deny";
        std::ofstream("/proc/self/uid_map") << "0 0 1";
        std::ofstream("/proc/self/gid_map") << "0 0 1";
        return forked([&] {
            std::error_code error;
            const Process outside(owner, {}, error);
            std::array<std::byte, 8> bytes{};
            const bool refused = error || read(outside, house.word(), bytes).bytes == 0;
            return (refused ? 0 : 1000) + try_door(directory.file(), good_secret, house.word());
        });
    });
    EXPECT_EQ(found, 0);
}

}  // namespace
}  // namespace onecopy::test
