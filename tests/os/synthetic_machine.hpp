// A machine's control groups as a tree of files made for the purpose.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace onecopy::test {

/// In a directory: "self" stands for /proc/self, "cg" is where a hierarchy is mounted.
class SyntheticMachine : public testing::Test {
protected:
    SyntheticMachine() {
        std::string name =
            (std::filesystem::temp_directory_path() / "onecopy-machine-XXXXXX").string();
        root_ = ::mkdtemp(name.data());
        put("self/mountinfo", "");
        put("self/cgroup", "");
    }
    ~SyntheticMachine() override { std::filesystem::remove_all(root_); }

    void put(const std::string& name, const std::string& text) const {
        std::filesystem::create_directories((root_ / name).parent_path());
        std::ofstream(root_ / name) << text;
    }
    /// Mounts a hierarchy, of which `shown` is what the mount shows.
    void mount(const std::string& type, const std::string& options,
               const std::string& shown = "/") {
        put("self/mountinfo", "22 1 0:21 / /proc rw - proc proc rw\n35 31 0:32 " + shown + " " +
                                  (root_ / "cg").string() + " rw,relatime shared:9 - " + type +
                                  " cgroup rw," + options + "\n");
    }

    std::filesystem::path root_;
};

}  // namespace onecopy::test
