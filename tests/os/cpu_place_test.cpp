#include "os/cpu_place.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>

namespace onecopy::os {
namespace {

constexpr std::uint16_t several = CpuPlace::several;

std::array<std::uint64_t, 16> mask(std::initializer_list<int> cpus) {
    std::array<std::uint64_t, 16> bits{};
    for (const int cpu : cpus) {
        bits[static_cast<std::size_t>(cpu) / 64] |= std::uint64_t{1} << (cpu % 64);
    }
    return bits;
}

/// A directory as /sys/devices/system, of two packages, each with two nodes of two L3s of two
/// cores, as far as it is asked for; removed at the end. Hardware threads N and N + 16 are of one
/// core.
class CpuPlaceOfAServer : public testing::Test {
protected:
    CpuPlaceOfAServer() {
        std::string name =
            (std::filesystem::temp_directory_path() / "onecopy-places-XXXXXX").string();
        root_ = ::mkdtemp(name.data());
        for (const int cpu : {0, 2, 3, 5, 6, 7, 9, 14, 27}) describe(cpu);
    }
    ~CpuPlaceOfAServer() override {
        std::error_code error;
        std::filesystem::remove_all(root_, error);
    }

    /// The runs of `cores` cores around a processor.
    static std::string around(int cpu, int cores) {
        const int first = cpu % 16 / cores * cores;
        const auto run = [&](int begin) {
            return std::to_string(begin) + "-" + std::to_string(begin + cores - 1);
        };
        return run(first) + "," + run(first + 16);
    }
    void describe(int cpu) const {
        const std::string core = "cpu/cpu" + std::to_string(cpu);
        put(core + "/topology/package_cpus_list", around(cpu, 8));
        put(core + "/cache/index0/level", "1");
        put(core + "/cache/index0/shared_cpu_list", around(cpu, 1));
        put(core + "/cache/index1/level", "3");
        put(core + "/cache/index1/shared_cpu_list", around(cpu, 2));
        const std::string node = "node" + std::to_string(cpu % 16 / 4);
        std::filesystem::create_directories(root_ / core / node);
        put("node/" + node + "/cpulist", around(cpu, 4));
    }
    void put(const std::string& path, const std::string& text) const {
        std::filesystem::create_directories((root_ / path).parent_path());
        std::ofstream(root_ / path) << text << '\n';
    }
    [[nodiscard]] CpuPlace place(std::initializer_list<int> cpus) const {
        return place_of(mask(cpus), root_.string());
    }

    std::filesystem::path root_;
};

TEST_F(CpuPlaceOfAServer, APlaceIsNamedByTheFirstProcessorOfEachThing) {
    EXPECT_EQ(place({0}), (CpuPlace{0, 0, 0}));
    EXPECT_EQ(place({3}), (CpuPlace{0, 0, 2}));
    EXPECT_EQ(place({6}), (CpuPlace{0, 4, 6}));
    EXPECT_EQ(place({27}), (CpuPlace{8, 8, 10})) << "the second thread of core 11";
    EXPECT_EQ(place({14, 15, 30, 31}), (CpuPlace{8, 12, 14}));
}

TEST_F(CpuPlaceOfAServer, WhoMayRunInSeveralOfAKindIsInNoneOfThem) {
    EXPECT_EQ(place({0, 2}), (CpuPlace{0, 0, several}));
    EXPECT_EQ(place({2, 3, 4}), (CpuPlace{0, several, several}));
    EXPECT_EQ(place({7, 8}), (CpuPlace{several, several, several}));
    EXPECT_EQ(place({}), (CpuPlace{several, several, several}));
}

TEST_F(CpuPlaceOfAServer, WhatTheMachineDoesNotTellItHasOneOf) {
    std::filesystem::remove_all(root_ / "cpu/cpu5/cache");
    EXPECT_EQ(place({5}), (CpuPlace{0, 4, 0}));
    std::filesystem::remove(root_ / "cpu/cpu5/node1");
    std::filesystem::remove_all(root_ / "cpu/cpu5/topology");
    EXPECT_EQ(place({5, 9}), (CpuPlace{0, 0, 0}));
    put("cpu/cpu9/topology/core_siblings_list", "8-15,24-31");
    std::filesystem::remove(root_ / "cpu/cpu9/topology/package_cpus_list");
    EXPECT_EQ(place({9}).package, 8) << "as older kernels name it";
}

TEST_F(CpuPlaceOfAServer, NonsenseInSysfsIsNoCrash) {
    for (const char* const list : {"-", "5-", "-3", "x", "3-1", "0-99999999999", ",,", "1,,2"}) {
        put("cpu/cpu0/topology/package_cpus_list", list);
        put("cpu/cpu0/cache/index1/shared_cpu_list", list);
        EXPECT_EQ(place({0}).numa, 0) << list;
    }
}

TEST(CpuPlace, OfThisMachineIsTheSameEachTime) {
    const auto here = mask({0});
    EXPECT_EQ(place_of(here), place_of(here));
    EXPECT_NE(place_of(here).package, several) << "one processor is in one package";
}

TEST(CpuPlace, AMachineInWordsIsCountedThreadByThread) {
    constexpr std::string_view server = "package:2 numa:2 l3:2 core:4 pu:2";
    EXPECT_EQ(place_in(server, 0), (CpuPlace{0, 0, 0}));
    EXPECT_EQ(place_in(server, 7), (CpuPlace{0, 0, 0}));
    EXPECT_EQ(place_in(server, 8), (CpuPlace{0, 0, 8}));
    EXPECT_EQ(place_in(server, 31), (CpuPlace{0, 16, 24}));
    EXPECT_EQ(place_in(server, 32), (CpuPlace{32, 32, 32}));
    EXPECT_EQ(place_in(server, 63), (CpuPlace{32, 48, 56}));
    EXPECT_EQ(place_in(server, 64), (CpuPlace{0, 0, 0})) << "from the first one again";
    EXPECT_EQ(place_in("core:4", 3), (CpuPlace{0, 0, 0})) << "one of what is not said";
    EXPECT_EQ(place_in(" l3:2  core:3 ", 4), (CpuPlace{0, 0, 3}));
    EXPECT_EQ(place_in("numa:2 package:2 die:2 l3:2 l2:2 core:2", 63), (CpuPlace{48, 32, 60}));
}

TEST(CpuPlace, WordsThatDescribeNoMachineAreRefused) {
    for (const char* const text :
         {"", " ", "core", "core:", ":2", "core:0", "core:-1", "core:2x", "core:2,pu:1", "socks:2",
          "core:2 core:2", "core:2 l3:2", "pu:2 core:1", "core:65536", "core:256 pu:256",
          "core:99999999999999999999",
          "group:1 group:1 group:1 group:1 group:1 group:1 group:1 "
          "group:1 group:1 group:1 group:1 group:1 group:1"}) {
        EXPECT_FALSE(place_in(text, 0)) << text;
    }
    EXPECT_TRUE(place_in("core:255 pu:257", 65'534));
}

}  // namespace
}  // namespace onecopy::os
