#include "os/cpu_distance.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace onecopy::os {
namespace {

/// A directory as /sys/devices/system, removed at the end.
class Machine {
public:
    Machine() {
        static int number = 0;
        root_ = std::filesystem::temp_directory_path() /
                ("onecopy-cpus-" + std::to_string(::getpid()) + "-" + std::to_string(number++));
        std::filesystem::create_directories(root_);
    }
    ~Machine() {
        std::error_code error;
        std::filesystem::remove_all(root_, error);
    }
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    void file(const std::string& path, const std::string& text) const {
        std::filesystem::create_directories((root_ / path).parent_path());
        std::ofstream(root_ / path) << text << '\n';
    }
    void siblings(int cpu, const std::string& list) const {
        file(core(cpu) + "/topology/thread_siblings_list", list);
    }
    void cache(int cpu, int index, int level, const std::string& type,
               const std::string& list) const {
        const std::string at = core(cpu) + "/cache/index" + std::to_string(index);
        file(at + "/level", std::to_string(level));
        file(at + "/type", type);
        file(at + "/shared_cpu_list", list);
    }
    void node(int cpu, int number, const std::string& list) const {
        const std::string name = "node" + std::to_string(number);
        std::filesystem::create_directories(root_ / core(cpu) / name);
        file("node/" + name + "/cpulist", list);
    }
    [[nodiscard]] std::string root() const { return root_; }

private:
    static std::string core(int cpu) { return "cpu/cpu" + std::to_string(cpu); }
    std::filesystem::path root_;
};

/// Two nodes of eight; hardware threads 0 and 16; pairs of cores share an L2, fours an L3.
void describe_a_server(const Machine& machine) {
    machine.siblings(0, "0,16");
    machine.cache(0, 0, 1, "Data", "0,16");
    machine.cache(0, 1, 1, "Instruction", "0,16");
    machine.cache(0, 2, 2, "Unified", "0-1,16-17");
    machine.cache(0, 3, 3, "Unified", "0-3,16-19");
    machine.node(0, 0, "0-7,16-23");
}

TEST(CpuDistances, AreThoseOfTheNearestThingThatTwoCoresShare) {
    const Machine machine;
    describe_a_server(machine);
    const std::string root = machine.root();
    CpuDistances distances(root.c_str());
    EXPECT_EQ(distances.between(0, 0), Distance::same_core);
    EXPECT_EQ(distances.between(0, 16), Distance::same_core);
    EXPECT_EQ(distances.between(0, 1), Distance::same_l2);
    EXPECT_EQ(distances.between(0, 17), Distance::same_l2);
    EXPECT_EQ(distances.between(0, 3), Distance::same_l3);
    EXPECT_EQ(distances.between(0, 19), Distance::same_l3);
    EXPECT_EQ(distances.between(0, 4), Distance::same_node);
    EXPECT_EQ(distances.between(0, 8), Distance::farther);
    EXPECT_EQ(distances.between(0, 24), Distance::farther);
    EXPECT_EQ(distances.between(0, 3000), Distance::farther);
}

TEST(CpuDistances, AreReadOnceAndKept) {
    Machine machine;
    describe_a_server(machine);
    const std::string root = machine.root();
    CpuDistances distances(root.c_str());
    EXPECT_EQ(distances.between(0, 1), Distance::same_l2);
    std::filesystem::remove_all(root);
    EXPECT_EQ(distances.between(0, 1), Distance::same_l2);
    EXPECT_EQ(distances.between(0, 8), Distance::farther);
}

TEST(CpuDistances, WithoutALastLevelCacheCoresHaveTheirNodeInCommon) {
    const Machine machine;
    machine.siblings(0, "0");
    machine.cache(0, 0, 1, "Data", "0");
    machine.cache(0, 1, 2, "Unified", "0-1");
    machine.node(0, 0, "0-3");
    const std::string root = machine.root();
    CpuDistances distances(root.c_str());
    EXPECT_EQ(distances.between(0, 1), Distance::same_l2);
    EXPECT_EQ(distances.between(0, 2), Distance::same_node);
    EXPECT_EQ(distances.between(0, 4), Distance::farther);
}

TEST(CpuDistances, AnInstructionCacheBringsNobodyNearer) {
    const Machine machine;
    machine.cache(0, 0, 2, "Instruction", "0-1");
    machine.cache(0, 1, 1, "Data", "0");
    machine.node(0, 0, "0-1");
    const std::string root = machine.root();
    CpuDistances distances(root.c_str());
    EXPECT_EQ(distances.between(0, 1), Distance::same_node);
}

TEST(CpuDistances, AKernelWithoutNodesHasOne) {
    const Machine machine;
    machine.siblings(0, "0");
    machine.cache(0, 0, 1, "Data", "0");
    machine.cache(0, 1, 3, "Unified", "0-1");
    const std::string root = machine.root();
    CpuDistances distances(root.c_str());
    EXPECT_EQ(distances.between(0, 1), Distance::same_l3);
    EXPECT_EQ(distances.between(0, 2), Distance::same_node);
}

TEST(CpuDistances, WhereNothingIsKnownOfCachesTheLastOneIsShared) {
    CpuDistances nowhere("/nowhere/at/all");
    EXPECT_EQ(nowhere.between(0, 0), Distance::same_core);
    EXPECT_EQ(nowhere.between(0, 1), Distance::same_l3);
    EXPECT_EQ(nowhere.between(7, 4000), Distance::same_l3);

    const Machine machine;
    machine.node(0, 0, "0-3");
    const std::string root = machine.root();
    CpuDistances distances(root.c_str());
    EXPECT_EQ(distances.between(0, 3), Distance::same_l3);
    EXPECT_EQ(distances.between(0, 4), Distance::farther);
}

TEST(CpuDistances, NonsenseInSysfsIsNoCrash) {
    const Machine machine;
    for (const char* const list :
         {"", "-", "5-", "-3", "x", "3-1", "0-99999999999", "0-2147483647", ",,", "1,,2"}) {
        machine.siblings(0, list);
        machine.cache(0, 0, 3, "Unified", list);
        machine.node(0, 0, list);
        const std::string root = machine.root();
        auto distances = std::make_unique<CpuDistances>(root.c_str());
        for (const int other : {-1, 0, 1, 4095, 4096, 2147483647}) {
            EXPECT_LE(distances->between(0, other), Distance::farther) << list;
        }
    }
}

TEST(CpuDistances, NumbersThatNoCoreHasAreFar) {
    EXPECT_EQ(distance_between(-1, 0), Distance::farther);
    EXPECT_EQ(distance_between(0, -1), Distance::farther);
    EXPECT_EQ(distance_between(CpuDistances::most_cpus, 0), Distance::farther);
    EXPECT_EQ(distance_between(0, CpuDistances::most_cpus), Distance::farther);
}

TEST(CpuDistances, ThreadsThatAskAtOnceGetTheSameAnswer) {
    const Machine machine;
    describe_a_server(machine);
    const std::string root = machine.root();
    CpuDistances distances(root.c_str());
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
        threads.emplace_back([&] {
            for (int i = 0; i < 1000; ++i) EXPECT_EQ(distances.between(0, 1), Distance::same_l2);
        });
    }
    for (std::thread& each : threads) each.join();
}

}  // namespace
}  // namespace onecopy::os
