// Waiting for several requests by C.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <vector>

#include "c_ranks.hpp"

namespace onecopy::test {
namespace {

/// More than are looked at without malloc.
constexpr int many = 40;

/// Receives of one number each with tags 0, 1, ..., and a place without a request in their midst.
struct Receives {
    Receives(const CRank& own, int count, int from)
        : numbers(static_cast<std::size_t>(count), -1), requests(numbers.size(), nullptr) {
        for (int tag = 0; tag < count; ++tag) {
            if (tag == gap) continue;
            const auto at = static_cast<std::size_t>(tag);
            EXPECT_EQ(onecopy_irecv(own.world, &numbers[at], sizeof(int), from, tag, &requests[at]),
                      0);
        }
    }
    [[nodiscard]] bool all_null() const {
        return std::all_of(requests.begin(), requests.end(),
                           [](const onecopy_request* each) { return each == nullptr; });
    }

    static constexpr int gap = 3;
    std::vector<int> numbers;
    std::vector<onecopy_request*> requests;
};

void send_number(const CRank& own, int to, int tag) {
    const int number = 100 + tag;
    EXPECT_EQ(onecopy_send(own.world, &number, sizeof number, to, tag), 0);
}

TEST(CSeveralRequests, AreAllWaitedFor) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        if (own.rank == 1) {
            for (int tag = many - 1; tag >= 0; --tag) {
                if (tag != Receives::gap) send_number(own, 0, tag);
            }
            return;
        }
        Receives all(own, many, 1);
        std::vector<onecopy_status> statuses(many, unset_status);
        EXPECT_EQ(onecopy_wait_all(all.requests.data(), many, statuses.data()), 0);
        EXPECT_TRUE(all.all_null());
        for (int tag = 0; tag < many; ++tag) {
            const auto at = static_cast<std::size_t>(tag);
            if (tag == Receives::gap) {
                expect_status(statuses[at], ONECOPY_ANY_SOURCE, ONECOPY_ANY_TAG, 0);
            } else {
                expect_status(statuses[at], 1, tag, sizeof(int));
                EXPECT_EQ(all.numbers[at], 100 + tag);
            }
        }
        EXPECT_EQ(onecopy_wait_all(all.requests.data(), many, nullptr), 0);
        EXPECT_EQ(onecopy_wait_all(nullptr, 0, nullptr), 0);
    });
}

TEST(CSeveralRequests, AreAllTestedAndNothingChangesUntilAllAreDone) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        if (own.rank == 1) {
            for (int tag = 0; tag < many; ++tag) {
                if (tag == many / 2) {
                    EXPECT_EQ(onecopy_barrier(own.world), 0);
                }
                if (tag != Receives::gap) send_number(own, 0, tag);
            }
            return;
        }
        Receives all(own, many, 1);
        const auto before = all.requests;
        std::vector<onecopy_status> statuses(many, unset_status);
        EXPECT_EQ(onecopy_test_all(all.requests.data(), many, statuses.data()), 0);
        EXPECT_EQ(all.requests, before);
        EXPECT_EQ(statuses[0].bytes, unset_status.bytes);
        EXPECT_EQ(onecopy_barrier(own.world), 0);
        int done = 0;
        while ((done = onecopy_test_all(all.requests.data(), many, statuses.data())) == 0) {
            ASSERT_EQ(all.requests, before);
        }
        EXPECT_EQ(done, 1);
        EXPECT_TRUE(all.all_null());
        expect_status(statuses.back(), 1, many - 1, sizeof(int));
        EXPECT_EQ(onecopy_test_all(all.requests.data(), many, nullptr), 1);
    });
}

TEST(CSeveralRequests, AnyOfThemThatIsDoneIsTold) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        constexpr int count = 5;
        if (own.rank == 1) {
            for (const int tag : {2, 4, 0, 1}) {
                send_number(own, 0, tag);
                EXPECT_EQ(onecopy_barrier(own.world), 0);
            }
            return;
        }
        Receives all(own, count, 1);
        std::size_t index = 0;
        for (const std::size_t tag : {2U, 4U, 0U, 1U}) {
            onecopy_status status = unset_status;
            if (tag == 2 || tag == 0) {
                EXPECT_EQ(onecopy_wait_any(all.requests.data(), count, &index, &status), 1);
            } else {
                int found = 0;
                while ((found = onecopy_test_any(all.requests.data(), count, &index, &status)) ==
                       0) {
                    EXPECT_EQ(index, ONECOPY_NO_INDEX);
                }
                EXPECT_EQ(found, 1);
            }
            EXPECT_EQ(index, tag);
            EXPECT_EQ(all.requests[tag], nullptr);
            expect_status(status, 1, static_cast<int>(tag), sizeof(int));
            EXPECT_EQ(onecopy_barrier(own.world), 0);
        }
        EXPECT_TRUE(all.all_null());
        onecopy_status status = unset_status;
        EXPECT_EQ(onecopy_wait_any(all.requests.data(), count, &index, &status), 0);
        EXPECT_EQ(index, ONECOPY_NO_INDEX);
        expect_status(status, ONECOPY_ANY_SOURCE, ONECOPY_ANY_TAG, 0);
        EXPECT_EQ(onecopy_test_any(all.requests.data(), count, &index, nullptr), 0);
        EXPECT_EQ(onecopy_wait_any(nullptr, 0, &index, nullptr), 0);
    });
}

TEST(CSeveralRequests, SomeThatAreDoneAreTold) {
    EXPECT_C_RANKS(2, [](const CRank& own) {
        if (own.rank == 1) {
            for (int tag = many - 1; tag >= 0; --tag) {
                if (tag != Receives::gap) send_number(own, 0, tag);
                if (tag % 10 != 0) continue;
                EXPECT_EQ(onecopy_barrier(own.world), 0);
            }
            return;
        }
        Receives all(own, many, 1);
        std::vector<onecopy_finished> finished(many);
        std::vector<int> seen(many);
        const auto note = [&](int count) {
            ASSERT_GE(count, 0);
            for (int i = 0; i < count; ++i) {
                const onecopy_finished& each = finished[static_cast<std::size_t>(i)];
                expect_status(each.status, 1, static_cast<int>(each.index), sizeof(int));
                EXPECT_EQ(all.requests[each.index], nullptr);
                EXPECT_EQ(all.numbers[each.index], 100 + static_cast<int>(each.index));
                ++seen[each.index];
            }
        };
        EXPECT_EQ(onecopy_wait_some(nullptr, 0, nullptr), 0);
        for (int part = 0; part < many / 10; ++part) {
            EXPECT_EQ(onecopy_barrier(own.world), 0);
            note(part % 2 == 0 ? onecopy_wait_some(all.requests.data(), many, finished.data())
                               : onecopy_test_some(all.requests.data(), many, finished.data()));
        }
        int count = 0;
        while ((count = onecopy_wait_some(all.requests.data(), many, finished.data())) > 0) {
            note(count);
        }
        EXPECT_EQ(count, 0);
        EXPECT_EQ(onecopy_test_some(all.requests.data(), many, finished.data()), 0);
        std::vector<int> once(many, 1);
        once[Receives::gap] = 0;
        EXPECT_EQ(seen, once);
    });
}

/// Four receives from oneself into too little memory where `bad` says so; of tag 0, 1, ...
struct SelfReceives {
    SelfReceives(const CRank& own, const std::array<bool, 4>& bad) {
        const std::uint64_t message = 0x1122334455667788;
        for (std::size_t i = 0; i < 4; ++i) {
            const int tag = static_cast<int>(i);
            EXPECT_EQ(onecopy_send(own.world, &message, sizeof message, 0, tag), 0);
            EXPECT_EQ(onecopy_irecv(own.world, &memory[i], bad[i] ? 4 : 8, 0, tag, &requests[i]),
                      0);
        }
    }
    std::array<std::uint64_t, 4> memory{};
    std::array<onecopy_request*, 4> requests{};
};

TEST(CSeveralRequests, TheErrorOfOneIsToldAndTheOthersAreDoneToo) {
    EXPECT_C_RANKS(1, [](const CRank& own) {
        for (const bool wait : {true, false}) {
            SelfReceives all(own, {false, true, false, false});
            std::array<onecopy_status, 4> statuses;
            int answer = 0;
            if (wait) {
                answer = onecopy_wait_all(all.requests.data(), 4, statuses.data());
            } else {
                while ((answer = onecopy_test_all(all.requests.data(), 4, statuses.data())) == 0) {
                }
            }
            EXPECT_EQ(answer, ONECOPY_ERR_TRUNCATED);
            for (std::size_t i = 0; i < 4; ++i) {
                expect_status(statuses[i], 0, static_cast<int>(i), 8,
                              i == 1 ? ONECOPY_ERR_TRUNCATED : 0);
                EXPECT_EQ(all.requests[i], nullptr);
            }
        }
    });
}

TEST(CSeveralRequests, WhichOneHadTheErrorIsTold) {
    EXPECT_C_RANKS(1, [](const CRank& own) {
        for (const bool wait : {true, false}) {
            SelfReceives all(own, {true, true, true, true});
            int number = 0;
            onecopy_request* idle = nullptr;
            EXPECT_EQ(onecopy_recv_init(own.world, &number, sizeof number, 0, 9, &idle), 0);
            // A persistent one that is not active stands first, and is not meant.
            std::array<onecopy_request*, 5> requests{idle};
            std::copy(all.requests.begin(), all.requests.end(), requests.begin() + 1);
            for (std::size_t i = 1; i < 5; ++i) {
                std::size_t index = 0;
                onecopy_status status;
                int answer = 0;
                while ((answer = (wait ? onecopy_wait_any : onecopy_test_any)(
                            requests.data(), 5, &index, &status)) == 0) {
                }
                EXPECT_EQ(answer, ONECOPY_ERR_TRUNCATED);
                EXPECT_EQ(index, i);
                expect_status(status, 0, static_cast<int>(i) - 1, 8, ONECOPY_ERR_TRUNCATED);
                EXPECT_EQ(requests[i], nullptr);
            }
            EXPECT_EQ(requests[0], idle);
            EXPECT_EQ(onecopy_request_free(&idle), 0);
        }
    });
}

TEST(CSeveralRequests, ErrorsOfSomeAreInTheirStatuses) {
    EXPECT_C_RANKS(1, [](const CRank& own) {
        SelfReceives all(own, {false, true, false, true});
        std::array<onecopy_finished, 4> finished;
        int left = 4;
        while (left > 0) {
            const int count = onecopy_wait_some(all.requests.data(), 4, finished.data());
            ASSERT_GT(count, 0);
            for (int i = 0; i < count; ++i) {
                const auto& [index, status] = finished[static_cast<std::size_t>(i)];
                expect_status(status, 0, static_cast<int>(index), 8,
                              index % 2 == 1 ? ONECOPY_ERR_TRUNCATED : 0);
            }
            left -= count;
        }
        EXPECT_EQ(left, 0);
    });
}

TEST(CSeveralRequests, PersistentOnesKeepTheirHandles) {
    EXPECT_C_RANKS(1, [](const CRank& own) {
        std::array<int, 2> memory = {5, 0};
        std::array<onecopy_request*, 2> requests{};
        EXPECT_EQ(onecopy_send_init(own.world, &memory[0], sizeof(int), 0, 0, &requests[0]), 0);
        EXPECT_EQ(onecopy_recv_init(own.world, &memory[1], sizeof(int), 0, 0, &requests[1]), 0);
        const auto before = requests;
        std::array<onecopy_finished, 2> finished;
        EXPECT_EQ(onecopy_wait_some(requests.data(), 2, finished.data()), 0);
        for (int round = 0; round < 4; ++round) {
            memory = {round, -1};
            for (onecopy_request* const each : requests) EXPECT_EQ(onecopy_start(each), 0);
            std::size_t index = 0;
            switch (round) {
                case 0:
                    EXPECT_EQ(onecopy_wait_all(requests.data(), 2, nullptr), 0);
                    break;
                case 1:
                    while (onecopy_test_all(requests.data(), 2, nullptr) == 0) {
                    }
                    break;
                case 2:
                    while (onecopy_wait_any(requests.data(), 2, &index, nullptr) == 1) {
                    }
                    break;
                default:
                    while (onecopy_wait_some(requests.data(), 2, finished.data()) > 0) {
                    }
            }
            EXPECT_EQ(requests, before);
            EXPECT_EQ(memory[1], round);
        }
        for (onecopy_request*& each : requests) EXPECT_EQ(onecopy_request_free(&each), 0);
    });
}

TEST(CSeveralRequests, ThatAreNoListAreRefusedAndStayAsTheyAre) {
    EXPECT_C_RANKS(1, [](const CRank& own) {
        int number = 0;
        onecopy_request* one = nullptr;
        EXPECT_EQ(onecopy_irecv(own.world, &number, sizeof number, 0, 0, &one), 0);
        std::array<onecopy_request*, 3> twice = {one, nullptr, one};
        std::array<onecopy_finished, 3> finished;
        std::size_t index = 0;
        struct Bad {
            onecopy_request** requests;
            std::size_t count;
        };
        for (const auto& [requests, count] :
             {Bad{twice.data(), 3}, Bad{nullptr, 3}, Bad{twice.data(), SIZE_MAX}}) {
            EXPECT_EQ(onecopy_wait_all(requests, count, nullptr), -EINVAL);
            EXPECT_EQ(onecopy_test_all(requests, count, nullptr), -EINVAL);
            EXPECT_EQ(onecopy_wait_any(requests, count, &index, nullptr), -EINVAL);
            EXPECT_EQ(onecopy_test_any(requests, count, &index, nullptr), -EINVAL);
            EXPECT_EQ(index, ONECOPY_NO_INDEX);
            EXPECT_EQ(onecopy_wait_some(requests, count, finished.data()), -EINVAL);
            EXPECT_EQ(onecopy_test_some(requests, count, finished.data()), -EINVAL);
        }
        EXPECT_EQ(onecopy_test_any(&one, 1, nullptr, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_test_some(&one, 1, nullptr), -EINVAL);
        EXPECT_EQ(onecopy_test_some(&one, 1, finished.data()), 0);
        EXPECT_EQ(onecopy_send(own.world, &number, sizeof number, 0, 0), 0);
        EXPECT_EQ(onecopy_wait_some(&one, 1, finished.data()), 1);
        EXPECT_EQ(one, nullptr);
    });
}

}  // namespace
}  // namespace onecopy::test
