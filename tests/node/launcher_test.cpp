// What launchers of others say in the environment.
#include "node/launcher.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace onecopy::node {
namespace {

/// The environment without any launcher's variables, and again as it was.
class Launchers : public testing::Test {
protected:
    void SetUp() override {
        for (const char* name : names) {
            const char* const value = std::getenv(name);
            before_.emplace_back(value != nullptr, value != nullptr ? value : "");
            ::unsetenv(name);
        }
    }
    void TearDown() override {
        for (std::size_t i = 0; i < std::size(names); ++i) {
            ::unsetenv(names[i]);
            if (before_[i].first) ::setenv(names[i], before_[i].second.c_str(), 1);
        }
    }
    static void set(const char* name, const char* value) { ::setenv(name, value, 1); }

private:
    static constexpr const char* names[] = {"MPI_LOCALRANKID",
                                            "MPI_LOCALNRANKS",
                                            "OMPI_COMM_WORLD_LOCAL_RANK",
                                            "OMPI_COMM_WORLD_LOCAL_SIZE",
                                            "PMI_RANK",
                                            "PMI_SIZE",
                                            "OMPI_COMM_WORLD_RANK",
                                            "OMPI_COMM_WORLD_SIZE"};
    std::vector<std::pair<bool, std::string>> before_;
};

TEST_F(Launchers, EachTellsThePlaceAmongTheRanksOfThisMachine) {
    EXPECT_FALSE(place_by_launcher());
    set("MPI_LOCALRANKID", "2");
    set("MPI_LOCALNRANKS", "5");
    ASSERT_TRUE(place_by_launcher());
    EXPECT_EQ(place_by_launcher()->rank, 2);
    EXPECT_EQ(place_by_launcher()->ranks, 5);
    ::unsetenv("MPI_LOCALRANKID");
    EXPECT_FALSE(place_by_launcher());
    set("OMPI_COMM_WORLD_LOCAL_RANK", "0");
    set("OMPI_COMM_WORLD_LOCAL_SIZE", "1");
    ASSERT_TRUE(place_by_launcher());
    EXPECT_EQ(place_by_launcher()->rank, 0);
    EXPECT_EQ(place_by_launcher()->ranks, 1);
}

TEST_F(Launchers, TwoThatDisagreeTellNothing) {
    set("MPI_LOCALRANKID", "1");
    set("MPI_LOCALNRANKS", "2");
    set("OMPI_COMM_WORLD_LOCAL_RANK", "1");
    set("OMPI_COMM_WORLD_LOCAL_SIZE", "2");
    EXPECT_TRUE(place_by_launcher());
    set("OMPI_COMM_WORLD_LOCAL_RANK", "0");
    EXPECT_FALSE(place_by_launcher());
}

TEST_F(Launchers, NumbersThatCountTheRanksOfAllMachinesAreNotTaken) {
    set("PMI_RANK", "1");
    set("PMI_SIZE", "2");
    set("OMPI_COMM_WORLD_RANK", "1");
    set("OMPI_COMM_WORLD_SIZE", "2");
    EXPECT_FALSE(place_by_launcher());
}

TEST_F(Launchers, WhatIsNoPlaceIsNotTaken) {
    for (const auto& [rank, ranks] :
         {std::pair("2", "2"), {"-1", "2"}, {"", "2"}, {"1x", "2"}, {"0", "0"}, {"0", ""}}) {
        set("MPI_LOCALRANKID", rank);
        set("MPI_LOCALNRANKS", ranks);
        EXPECT_FALSE(place_by_launcher()) << rank << " of " << ranks;
    }
}

}  // namespace
}  // namespace onecopy::node
