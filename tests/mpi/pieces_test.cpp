// The small parts under the MPI front door: where a rank stands, who started whom, sealed memory,
// channels, devices.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <map>
#include <string>

#include "mpi/ancestry.hpp"
#include "mpi/channel_store.hpp"
#include "mpi/descriptors.hpp"
#include "mpi/place.hpp"
#include "mpi/ranks.hpp"
#include "mpi/tally.hpp"
#include "os/job_segment.hpp"
#include "support/child.hpp"

namespace onecopy::mpi {
namespace {

std::map<std::string, std::string> environment;

const char* from_map(const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
}

std::map<std::string, std::string> complete() {
    return {{"OMPI_COMM_WORLD_RANK", "5"},       {"OMPI_COMM_WORLD_SIZE", "8"},
            {"OMPI_COMM_WORLD_LOCAL_RANK", "1"}, {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"},
            {"PMIX_NAMESPACE", "123"},           {"PMIX_SERVER_URI2", "0;tcp4://127.0.0.1:1"}};
}

TEST(Place, IsWhatOpenMpisLauncherSays) {
    environment = complete();
    const auto place = place_from_environment(from_map);
    ASSERT_TRUE(place);
    EXPECT_EQ(place->world_rank, 5);
    EXPECT_EQ(place->world_size, 8);
    EXPECT_EQ(place->local_rank, 1);
    EXPECT_EQ(place->local_size, 4);
}

TEST(Place, TellsJobsAndLaunchersApart) {
    environment = complete();
    const std::string job = place_from_environment(from_map)->job;
    environment["PMIX_NAMESPACE"] = "124";
    EXPECT_NE(place_from_environment(from_map)->job, job);
    environment = complete();
    environment["PMIX_SERVER_URI2"] = "0;tcp4://127.0.0.1:2";
    EXPECT_NE(place_from_environment(from_map)->job, job);
    environment = complete();
    environment["OMPI_COMM_WORLD_RANK"] = "6";
    environment["OMPI_COMM_WORLD_LOCAL_RANK"] = "2";
    EXPECT_EQ(place_from_environment(from_map)->job, job);
}

TEST(Place, IsUnknownWhenAFactIsMissingOrMakesNoSense) {
    for (const auto& [name, value] : complete()) {
        environment = complete();
        environment.erase(name);
        EXPECT_FALSE(place_from_environment(from_map)) << name << " missing";
    }
    for (const char* wrong : {"", "x", "-1", "4x", "99999999999999"}) {
        environment = complete();
        environment["OMPI_COMM_WORLD_LOCAL_RANK"] = wrong;
        EXPECT_FALSE(place_from_environment(from_map)) << wrong;
    }
    environment = complete();
    environment["OMPI_COMM_WORLD_LOCAL_RANK"] = "4";
    EXPECT_FALSE(place_from_environment(from_map));
}

TEST(Ancestry, TheNearestCommonAncestorOfSiblingsIsWhoStartedThem) {
    test::Child one;
    test::Child other;
    const int pids[] = {one.pid(), other.pid()};
    EXPECT_EQ(common_ancestor(pids), ::getpid());
}

TEST(Ancestry, AProcessIsItsOwnAncestor) {
    test::Child child;
    const int pids[] = {child.pid(), ::getpid()};
    EXPECT_EQ(common_ancestor(pids), ::getpid());
    EXPECT_EQ(common_ancestor(std::span(pids, 1)), child.pid());
}

TEST(Ancestry, InitIsNobodysLauncher) {
    const int pids[] = {1, ::getpid()};
    EXPECT_EQ(common_ancestor(pids), 0);
}

TEST(JobSegment, IsSealedAndIsNotThereInAChild) {
    const os::JobSegment segment = os::JobSegment::create(5000);
    EXPECT_EQ(segment.bytes().size(), 8192U);
    EXPECT_NE(::ftruncate(segment.fd(), 4096), 0);
    EXPECT_NE(::ftruncate(segment.fd(), 16384), 0);
    EXPECT_EQ(::fcntl(segment.fd(), F_GET_SEALS) & (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL),
              F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    std::byte* at = segment.bytes().data();
    const bool there = test::forked([at] {
        unsigned char core = 0;
        return ::mincore(at, 4096, &core) == 0;
    });
    EXPECT_FALSE(there);
}

TEST(JobSegment, OnlyASealedOneOfTheRightSizeIsAdopted) {
    const os::Fd open(::memfd_create("test", MFD_ALLOW_SEALING));
    ASSERT_EQ(::ftruncate(open.get(), 8192), 0);
    EXPECT_THROW(os::JobSegment::adopt(os::Fd(::dup(open.get())), 4096), std::system_error);
    EXPECT_THROW(os::JobSegment::adopt(os::Fd(::open("/dev/null", O_RDWR)), 0), std::system_error);

    const os::JobSegment segment = os::JobSegment::create(8192);
    EXPECT_THROW(os::JobSegment::adopt(os::Fd(::dup(segment.fd())), 8193), std::system_error);
    const os::JobSegment same = os::JobSegment::adopt(os::Fd(::dup(segment.fd())), 8192);
    same.bytes()[77] = std::byte{7};
    EXPECT_EQ(segment.bytes()[77], std::byte{7});
}

TEST(JobSegment, AboveTheFileSizeLimitIsAnErrorAndNoSignal) {
    const int error = test::forked([] {
        const rlimit limit{4096, 4096};
        ::setrlimit(RLIMIT_FSIZE, &limit);
        try {
            os::JobSegment::create(8192);
        } catch (const std::system_error& failure) {
            return failure.code().value();
        }
        return 0;
    });
    EXPECT_EQ(error, EFBIG);
}

TEST(Descriptors, AreTooFewWhenLessThanHalfOfTheLimitWouldRemain) {
    EXPECT_EQ(descriptor_objection(256, 32, 32), "");
    EXPECT_EQ(descriptor_objection(256, 33, 32),
              "96 file descriptors for 32 ranks, besides 33 open ones, leave fewer than half of "
              "256 free (raise ulimit -n)");
}

TEST(Descriptors, AreCountedAsTheyAreNow) {
    const int wrong = test::forked([] {
        const rlimit limit{200, 200};
        ::setrlimit(RLIMIT_NOFILE, &limit);
        if (!descriptor_objection(4).empty()) return 1;
        for (int i = 0; i < 100; ++i) static_cast<void>(::dup(0));
        return descriptor_objection(4).empty() ? 2 : 0;
    });
    EXPECT_EQ(wrong, 0);
}

class Store : public ::testing::Test {
protected:
    test::SharedMemory memory_{ChannelStore::bytes(3)};
    ChannelStore store_{{static_cast<std::byte*>(memory_.data()), memory_.size()}, 3};
};

TEST_F(Store, HandsOutEachChannelOnceUntilItIsGivenBack) {
    std::vector<int> seen;
    for (int i = 0; i < ChannelStore::channels; ++i) {
        const auto lease = store_.take(1);
        ASSERT_TRUE(lease);
        EXPECT_EQ(std::count(seen.begin(), seen.end(), lease->channel), 0);
        seen.push_back(lease->channel);
    }
    EXPECT_FALSE(store_.take(1));
    store_.leave(17, 1000);
    const auto again = store_.take(1);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->channel, 17);
    EXPECT_EQ(again->base, 1000U);
}

TEST_F(Store, APoisonedChannelIsNeverHandedOutAgain) {
    const auto lease = store_.take(1);
    store_.head(lease->channel).poisoned.store(1);
    store_.leave(lease->channel, 5);
    EXPECT_NE(store_.take(1)->channel, lease->channel);
}

TEST_F(Store, AChannelIsFreeOnlyWhenItsLastMemberHasLeft) {
    const auto lease = store_.take(3);
    ASSERT_TRUE(lease);
    store_.leave(lease->channel, 40);
    EXPECT_NE(store_.take(2)->channel, lease->channel);
    store_.leave(lease->channel, 42);
    EXPECT_NE(store_.take(2)->channel, lease->channel);
    store_.leave(lease->channel, 40);
    const auto again = store_.take(2);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->channel, lease->channel);
    EXPECT_EQ(again->base, 42U);
    store_.leave(again->channel, 41);
    EXPECT_NE(store_.take(2)->channel, lease->channel);
}

TEST_F(Store, NothingInItOverlaps) {
    // Every part gets a byte of its own; all are still there afterwards.
    std::vector<std::span<std::byte>> parts;
    for (int channel = 0; channel < ChannelStore::channels; ++channel) {
        parts.push_back({reinterpret_cast<std::byte*>(&store_.head(channel)), sizeof(ChannelHead)});
        for (int rank = 0; rank < 3; ++rank) {
            parts.push_back(
                {reinterpret_cast<std::byte*>(&store_.seat(channel, rank)), sizeof(Seat)});
            parts.push_back(store_.staging(channel, rank));
            for (std::uint64_t tile = 0; tile < ChannelStore::ring_tiles; ++tile) {
                parts.push_back(store_.tile(channel, rank, tile));
            }
        }
    }
    std::sort(parts.begin(), parts.end(),
              [](auto one, auto other) { return one.data() < other.data(); });
    const std::byte* end = static_cast<std::byte*>(memory_.data()) + 8;  // the bitmap
    for (const auto part : parts) {
        EXPECT_GE(part.data(), end);
        end = part.data() + part.size();
    }
    EXPECT_LE(end, static_cast<std::byte*>(memory_.data()) + memory_.size());
}

TEST(Report, NamesEveryWayThatWasUsed) {
    Tally tally;
    tally.taken(Call::allreduce, 1000);
    tally.taken(Call::allreduce, 24);
    tally.passed(Call::reduce, Reason::small, 8);
    Traffic traffic;
    traffic.staged = 5;
    const std::string report = report_of({"An \"MPI\"", "", 1, 2}, tally, &traffic);
    EXPECT_NE(report.find(R"("library": "An \"MPI\"")"), std::string::npos) << report;
    EXPECT_NE(report.find(R"("allreduce": {"taken": {"calls": 2, "bytes": 1024}, "passed": {}})"),
              std::string::npos)
        << report;
    EXPECT_NE(report.find(R"("passed": {"small": {"calls": 1, "bytes": 8}})"), std::string::npos);
    EXPECT_NE(report.find(R"("staged": 5)"), std::string::npos);
    EXPECT_NE(report.find(R"("mode": "taken")"), std::string::npos);
}

}  // namespace
}  // namespace onecopy::mpi
