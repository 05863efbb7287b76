// Presence: one verdict for all ranks, in bounded time, whoever is missing, strange, late or
// killed.
#include "mpi/presence.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <atomic>

#include "mpi/ranks.hpp"
#include "support/rights.hpp"

namespace onecopy::mpi {
namespace {

using namespace std::chrono_literals;
using test::Ranks;

/// A verdict that arrives although the coordinator would wait this long was not waited for.
constexpr auto for_ever = 3600'000ms;

constexpr int test_guard_ms = 60'000;
constexpr std::size_t table_page = 4096;

constexpr int yes = 1;
constexpr int no = 2;
constexpr int no_and_speaks = 3;

std::string unique_job() {
    static std::atomic<int> number{0};
    return "presence-test-" + std::to_string(::getpid()) + "-" + std::to_string(++number);
}

/// A job of so many ranks, all of which are well unless a test says otherwise.
class PresenceTest : public ::testing::Test {
protected:
    using Change = std::function<void(int rank, Terms& terms, PresenceOptions& options)>;

    Place place(int rank, int ranks) const { return {job_, rank + 100, 1000, rank, ranks}; }

    static PresenceOptions patient() {
        PresenceOptions options;
        options.timeout = for_ever;
        options.payload_bytes = 8192;
        return options;
    }

    /// What rank `rank` does: opens its listener, meets the others, agrees, and notes the verdict.
    void take_part(const Ranks& ranks, int rank, int count, const Change& change = {},
                   std::string objection = {}) const {
        Terms terms;
        terms.library = "some MPI";
        PresenceOptions options = patient();
        if (change) change(rank, terms, options);
        Presence presence(place(rank, count), terms, options);
        ranks.meet(0);
        const Agreement agreement = presence.agree(std::move(objection));
        note(ranks, rank, agreement);
        ranks.meet(1);  // whoever looks for listeners finds them as they were
    }

    static void note(const Ranks& ranks, int rank, const Agreement& agreement) {
        ranks.note(rank,
                   agreement.go       ? yes
                   : agreement.speaks ? no_and_speaks
                                      : no,
                   agreement.reason);
    }

    /// All ranks with `change`; the verdict must be no, said by the coordinator for that reason.
    void expect_no(int count, const Change& change, const std::string& reason) {
        Ranks ranks(count);
        ranks.start([&](int rank) { take_part(ranks, rank, count, change); });
        EXPECT_EQ(ranks.finish(), std::vector<int>(static_cast<std::size_t>(count), 0));
        for (int rank = 0; rank < count; ++rank) {
            EXPECT_EQ(ranks.number(rank), rank == 0 ? no_and_speaks : no) << rank;
            EXPECT_NE(ranks.text(rank).find(reason), std::string::npos) << ranks.text(rank);
        }
    }

    std::string job_ = unique_job();
};

class PresenceOfAll : public PresenceTest, public ::testing::WithParamInterface<int> {};

TEST_P(PresenceOfAll, EveryRankAgreesAndSharesTheSegment) {
    const int count = GetParam();
    Ranks ranks(count);
    ranks.start([&](int rank) {
        Presence presence(place(rank, count), Terms{}, patient());
        ranks.meet(0);
        const Agreement agreement = presence.agree();
        note(ranks, rank, agreement);
        if (!agreement.go || agreement.payload.size() != 8192) throw 0;
        agreement.payload[static_cast<std::size_t>(rank)] = static_cast<std::byte>(rank + 1);
        ranks.meet(1);
        for (int i = 0; i < count; ++i) {
            const auto at = static_cast<std::size_t>(i);
            if (agreement.payload[at] != static_cast<std::byte>(i + 1)) throw 0;
            if (agreement.peers[at].pid() != ranks.board().pids[i]) throw 0;
            if (agreement.world_ranks[at] != i + 100) throw 0;
        }
        if (agreement.payload[static_cast<std::size_t>(count)] != std::byte{}) throw 0;
    });
    EXPECT_EQ(ranks.finish(), std::vector<int>(static_cast<std::size_t>(count), 0));
    for (int rank = 0; rank < count; ++rank) EXPECT_EQ(ranks.number(rank), yes) << rank;
}

INSTANTIATE_TEST_SUITE_P(Ranks, PresenceOfAll, ::testing::Values(1, 2, 3, 4, 7));

TEST_F(PresenceTest, ARankThatIsMissingMakesTheVerdictNoAndNobodyWaits) {
    Ranks ranks(3);
    ranks.start([&](int rank) {
        if (rank == 1) {  // an MPI program without us: it meets the others, and that is all
            ranks.meet(0);
            ranks.meet(1);
            return;
        }
        take_part(ranks, rank, 3);
    });
    EXPECT_EQ(ranks.finish(), std::vector<int>(3, 0));
    EXPECT_EQ(ranks.number(0), no_and_speaks);
    EXPECT_EQ(ranks.number(2), no);
    EXPECT_EQ(ranks.text(0).find("local rank 1 runs without onecopy"), 0U) << ranks.text(0);
    EXPECT_EQ(ranks.text(2), ranks.text(0));
}

TEST_F(PresenceTest, WithoutACoordinatorAllPassThroughAndTheLowestSpeaks) {
    Ranks ranks(4);
    ranks.start([&](int rank) {
        if (rank == 0) {
            ranks.meet(0);
            ranks.meet(1);
            return;
        }
        take_part(ranks, rank, 4);
    });
    EXPECT_EQ(ranks.finish(), std::vector<int>(4, 0));
    EXPECT_EQ(ranks.number(1), no_and_speaks);
    EXPECT_EQ(ranks.number(2), no);
    EXPECT_EQ(ranks.number(3), no);
}

TEST_F(PresenceTest, ALateRankFindsTheDecisionMadeAndPassesThrough) {
    Ranks ranks(2);
    ranks.start([&](int rank) {
        if (rank == 1) Ranks::until([&] { return ranks.board().flags[0].load() == 1; });
        Presence presence(place(rank, 2), Terms{}, patient());
        note(ranks, rank, presence.agree());
        ranks.board().flags[0].store(1);
    });
    EXPECT_EQ(ranks.finish(), std::vector<int>(2, 0));
    EXPECT_EQ(ranks.number(0), no_and_speaks);
    EXPECT_NE(ranks.number(1), yes);
}

TEST_F(PresenceTest, AnotherBuildMakesTheVerdictNo) {
    expect_no(
        3,
        [](int rank, Terms& terms, PresenceOptions&) {
            if (rank == 2) terms.build[5] = std::byte{1};
        },
        "rank 102 runs another build of onecopy");
}

TEST_F(PresenceTest, OtherSettingsMakeTheVerdictNo) {
    expect_no(
        3,
        [](int rank, Terms& terms, PresenceOptions&) {
            if (rank == 1) terms.settings = 7;
        },
        "rank 101 runs with other settings");
}

TEST_F(PresenceTest, AnotherMpiLibraryMakesTheVerdictNo) {
    expect_no(
        2,
        [](int rank, Terms& terms, PresenceOptions&) {
            if (rank == 1) terms.library = "some other MPI";
        },
        "rank 101 runs another MPI library");
}

TEST_F(PresenceTest, OneRanksObjectionIsToldToAll) {
    Ranks ranks(3);
    ranks.start(
        [&](int rank) { take_part(ranks, rank, 3, {}, rank == 2 ? "has its reasons" : ""); });
    EXPECT_EQ(ranks.finish(), std::vector<int>(3, 0));
    for (int rank = 0; rank < 3; ++rank) {
        EXPECT_EQ(ranks.number(rank), rank == 0 ? no_and_speaks : no);
        EXPECT_EQ(ranks.text(rank), "rank 102: has its reasons");
    }
}

TEST_F(PresenceTest, AStrangerUnderAPeersPidMakesTheVerdictNo) {
    expect_no(
        2,
        [](int, Terms&, PresenceOptions& options) {
            options.probe = [](const Process&, const TableLine&, bool& strange) {
                strange = true;
                return std::error_code();
            };
        },
        "finds a stranger");
}

TEST_F(PresenceTest, AProcessWithoutTheNonceIsNotTakenForTheRank) {
    Ranks ranks(2);
    ranks.start([&](int rank) {
        if (rank == 0) {
            take_part(ranks, rank, 2,
                      [](int, Terms& terms, PresenceOptions&) { terms.library.clear(); });
            return;
        }
        // By hand: all is well, but the bytes at the announced address are others.
        const os::Fd listener = listen_at(listener_name(job_, 1));
        ranks.meet(0);
        const Nonce other{std::byte{1}};
        Hello hello;
        hello.pid = ::getpid();
        hello.world_rank = 101;
        hello.world_size = 1000;
        hello.local_rank = 1;
        hello.local_size = 2;
        hello.nonce_address = reinterpret_cast<std::uintptr_t>(&other);
        hello.nonce = Nonce{std::byte{2}};
        pollfd event{listener.get(), POLLIN, 0};
        ::poll(&event, 1, test_guard_ms);
        const os::Fd socket(::accept(listener.get(), nullptr, nullptr));
        Packet packet;
        if (receive(socket.get(), packet) <= 0 || !send(socket.get(), hello)) throw 0;
        if (receive(socket.get(), packet) <= 0 || !send(socket.get(), Report{})) throw 0;
        if (receive(socket.get(), packet) <= 0) throw 0;
        const auto* verdict = packet.as<mpi::Verdict>();
        ranks.note(1, verdict != nullptr && verdict->go == 0 ? no : yes);
        ranks.meet(1);
    });
    EXPECT_EQ(ranks.finish(), std::vector<int>(2, 0));
    EXPECT_EQ(ranks.number(0), no_and_speaks);
    EXPECT_NE(ranks.text(0).find("finds a stranger"), std::string::npos) << ranks.text(0);
    EXPECT_EQ(ranks.number(1), no);
}

TEST_F(PresenceTest, ARefusalWithoutYamaMakesTheVerdictNo) {
    expect_no(
        3,
        [](int rank, Terms&, PresenceOptions& options) {
            if (rank != 1) return;
            options.probe = [](const Process&, const TableLine&, bool&) {
                return std::make_error_code(std::errc::operation_not_permitted);
            };
        },
        "rank 101 cannot read rank 100's memory");
}

TEST_F(PresenceTest, ARankWithoutDescriptorsIsNotCalledRefused) {
    expect_no(
        3,
        [](int rank, Terms&, PresenceOptions& options) {
            if (rank != 2) return;
            options.yama_scope = [] { return 1; };
            options.probe = [](const Process&, const TableLine&, bool&) {
                return std::error_code(EMFILE, std::system_category());
            };
        },
        "rank 102 has no descriptor free to hold on to rank 100: Too many open files (ulimit -n)");
}

TEST_F(PresenceTest, ARankWithoutADescriptorForTheSegmentSaysSo) {
    Ranks ranks(2);
    ranks.start([&](int rank) {
        Presence presence(place(rank, 2), Terms{}, patient());
        ranks.meet(0);
        if (rank == 1) {
            // Room for the two connections of the conversation, and for nothing that comes by them.
            const int next = ::dup(0);
            ::close(next);
            const rlimit limit{static_cast<rlim_t>(next) + 2, static_cast<rlim_t>(next) + 2};
            ::setrlimit(RLIMIT_NOFILE, &limit);
        }
        note(ranks, rank, presence.agree());
        ranks.meet(1);
    });
    EXPECT_EQ(ranks.finish(), std::vector<int>(2, 0));
    EXPECT_EQ(ranks.text(0),
              "rank 101 cannot use the job's memory: Too many open files (ulimit -n)");
    EXPECT_EQ(ranks.text(1), ranks.text(0));
}

TEST_F(PresenceTest, UnderYamaAllNameTheLauncherAndLookAgain) {
    Ranks ranks(3);
    ranks.start([&](int rank) {
        take_part(ranks, rank, 3, [rank](int, Terms&, PresenceOptions& options) {
            options.yama_scope = [] { return 1; };
            if (rank != 1) return;
            options.probe = [first = true](const Process&, const TableLine&, bool&) mutable {
                return std::exchange(first, false)
                           ? std::make_error_code(std::errc::operation_not_permitted)
                           : std::error_code();
            };
        });
    });
    EXPECT_EQ(ranks.finish(), std::vector<int>(3, 0));
    for (int rank = 0; rank < 3; ++rank) EXPECT_EQ(ranks.number(rank), yes) << ranks.text(rank);
}

TEST_F(PresenceTest, UnderYamaASecondRefusalIsFinal) {
    expect_no(
        2,
        [](int, Terms&, PresenceOptions& options) {
            options.yama_scope = [] { return 1; };
            options.probe = [](const Process&, const TableLine&, bool&) {
                return std::make_error_code(std::errc::operation_not_permitted);
            };
        },
        "cannot read");
}

TEST_F(PresenceTest, AStoppedRankIsGivenUpAfterTheTimeoutAndHearsOfItLater) {
    Ranks ranks(3);
    ranks.start([&](int rank) {
        Terms terms;
        PresenceOptions options = patient();
        options.timeout = rank == 0 ? 300ms : for_ever;
        Presence presence(place(rank, 3), terms, options);
        ranks.meet(0);
        if (rank == 1) ::raise(SIGSTOP);
        note(ranks, rank, presence.agree());
        if (rank == 0) ranks.board().flags[0].store(1);
    });
    Ranks::until([&] { return ranks.board().flags[0].load() == 1; });
    ::kill(ranks.pid(1), SIGCONT);
    EXPECT_EQ(ranks.finish(), std::vector<int>(3, 0));
    EXPECT_EQ(ranks.number(0), no_and_speaks);
    EXPECT_NE(ranks.text(0).find("local rank 1 gave no answer in 300 ms"), std::string::npos);
    EXPECT_EQ(ranks.number(1), no);
    EXPECT_EQ(ranks.number(2), no);
}

/// A coordinator that plays its part by hand and is gone after `last`.
class CoordinatorGone : public PresenceTest, public ::testing::WithParamInterface<int> {};

TEST_P(CoordinatorGone, TheRankPassesThrough) {
    const int last = GetParam();
    Ranks ranks(2);
    ranks.start([&](int rank) {
        if (rank == 1) {
            take_part(ranks, rank, 2);
            return;
        }
        const os::Fd listener = listen_at(listener_name(job_, 0));
        ranks.meet(0);
        std::error_code error;
        os::Fd socket;
        Packet packet;
        const auto answer = [&] {
            pollfd event{socket.get(), POLLIN, 0};
            ::poll(&event, 1, test_guard_ms);
            return receive(socket.get(), packet) > 0;
        };
        if (last >= 1) socket = connect_to(listener_name(job_, 1), error);
        if (last >= 2 && (!send(socket.get(), Hello{}) || !answer())) throw 0;
        if (last >= 3) {
            os::JobSegment segment = os::JobSegment::create(table_page + 8192);
            auto* table = reinterpret_cast<TableLine*>(segment.bytes().data());
            table[0].pid = ::getpid();
            table[1].pid = ranks.board().pids[1];
            if (!send(socket.get(), Table{}, segment.fd()) || !answer()) throw 0;
        }
        ranks.board().arrived[1].fetch_add(1);
        ::raise(SIGKILL);
    });
    const std::vector<int> statuses = ranks.finish();
    EXPECT_EQ(statuses[0], -1);
    EXPECT_EQ(statuses[1], 0);
    EXPECT_TRUE(ranks.number(1) == no || ranks.number(1) == no_and_speaks) << ranks.number(1);
}

INSTANTIATE_TEST_SUITE_P(AfterListening, CoordinatorGone, ::testing::Values(0));
INSTANTIATE_TEST_SUITE_P(AfterConnecting, CoordinatorGone, ::testing::Values(1));
INSTANTIATE_TEST_SUITE_P(AfterTheHello, CoordinatorGone, ::testing::Values(2));
INSTANTIATE_TEST_SUITE_P(AfterTheTable, CoordinatorGone, ::testing::Values(3));

/// A rank that plays its part by hand and is gone after `last`.
class RankGone : public PresenceTest, public ::testing::WithParamInterface<int> {};

TEST_P(RankGone, AllOthersPassThrough) {
    const int last = GetParam();
    Ranks ranks(3);
    ranks.start([&](int rank) {
        if (rank != 1) {
            take_part(ranks, rank, 3);
            return;
        }
        const os::Fd listener = listen_at(listener_name(job_, 1));
        ranks.meet(0);
        Packet packet;
        pollfd event{listener.get(), POLLIN, 0};
        ::poll(&event, 1, test_guard_ms);
        const os::Fd socket(::accept(listener.get(), nullptr, nullptr));
        const auto next = [&] { return receive(socket.get(), packet) > 0; };  // blocks
        if (last >= 1 && !next()) throw 0;
        if (last >= 2) {
            Hello hello = *packet.as<Hello>();
            hello.pid = ::getpid();
            hello.world_rank = 101;
            hello.local_rank = 1;
            if (!send(socket.get(), hello) || !next()) throw 0;
        }
        ranks.board().arrived[1].fetch_add(1);
        ::raise(SIGKILL);
    });
    const std::vector<int> statuses = ranks.finish();
    EXPECT_EQ(statuses, (std::vector<int>{0, -1, 0}));
    EXPECT_EQ(ranks.number(0), no_and_speaks) << ranks.text(0);
    EXPECT_EQ(ranks.number(2), no);
}

INSTANTIATE_TEST_SUITE_P(AfterAccepting, RankGone, ::testing::Values(0));
INSTANTIATE_TEST_SUITE_P(AfterItsHello, RankGone, ::testing::Values(1));
INSTANTIATE_TEST_SUITE_P(AfterTheTable, RankGone, ::testing::Values(2));

TEST_F(PresenceTest, ASquatterOfAnotherUserDoesNotPassForARank) {
    ONECOPY_NEEDS_ROOT();
    const Name name = listener_name(job_, 1);
    Ranks ranks(3);
    ranks.start([&](int rank) {
        if (rank == 1) {
            if (test::become(test::user()) != 0) throw 0;
            const os::Fd squatter = listen_at(name);
            ranks.meet(0);
            ranks.meet(1);
            return;
        }
        take_part(ranks, rank, 3);
    });
    EXPECT_EQ(ranks.finish(), std::vector<int>(3, 0));
    EXPECT_EQ(ranks.number(0), no_and_speaks);
    EXPECT_NE(ranks.text(0).find("another user's process"), std::string::npos) << ranks.text(0);
    EXPECT_EQ(ranks.number(2), no);
}

TEST_F(PresenceTest, ASquatterInTheCoordinatorsPlaceKeepsNobodyWaiting) {
    ONECOPY_NEEDS_ROOT();
    const Name name = listener_name(job_, 0);
    Ranks ranks(2);
    ranks.start([&](int rank) {
        if (rank == 0) {
            if (test::become(test::user()) != 0) throw 0;
            const os::Fd squatter = listen_at(name);
            ranks.meet(0);
            ranks.meet(1);
            return;
        }
        take_part(ranks, rank, 2);
    });
    EXPECT_EQ(ranks.finish(), std::vector<int>(2, 0));
    EXPECT_EQ(ranks.number(1), no_and_speaks);
}

TEST_F(PresenceTest, AConnectionOfAnotherUserIsNotTakenForTheCoordinator) {
    ONECOPY_NEEDS_ROOT();
    const Name name = listener_name(job_, 1);
    Ranks ranks(3);  // the third only disturbs
    ranks.start([&](int rank) {
        if (rank == 2) {
            if (test::become(test::user()) != 0) throw 0;
            Ranks::until([&] { return ranks.board().flags[0].load() == 1; });
            std::error_code error;
            const os::Fd socket = connect_to(name, error);
            if (!socket || !send(socket.get(), mpi::Verdict{})) throw 0;
            ranks.meet(0);
            ranks.meet(1);
            return;
        }
        Presence presence(place(rank, 2), Terms{}, patient());
        if (rank == 1) ranks.board().flags[0].store(1);
        ranks.meet(0);
        note(ranks, rank, presence.agree());
        ranks.meet(1);
    });
    EXPECT_EQ(ranks.finish(), std::vector<int>(3, 0));
    EXPECT_EQ(ranks.number(0), yes) << ranks.text(0);
    EXPECT_EQ(ranks.number(1), yes) << ranks.text(1);
}

TEST_F(PresenceTest, ANameThatIsTakenIsAnErrorAtOnce) {
    const Presence first(place(0, 2), Terms{}, patient());
    EXPECT_THROW(Presence(place(0, 2), Terms{}, patient()), std::system_error);
}

}  // namespace
}  // namespace onecopy::mpi
