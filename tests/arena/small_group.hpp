// A memory cgroup with a small limit, for tests.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>

#include "support/child.hpp"

namespace onecopy::test {

/// A memory cgroup of version 1 or 2 for this test, below the one that this process is in.
class SmallGroup {
public:
    explicit SmallGroup(std::uint64_t bytes) {
        std::ifstream groups("/proc/self/cgroup");
        std::string own_v1 = "/", own_v2 = "/";
        for (std::string line; std::getline(groups, line);) {
            const std::string path = line.substr(line.rfind(':') + 1);
            if (line.find(":memory:") != std::string::npos) own_v1 = path;
            if (line.rfind("0::", 0) == 0) own_v2 = path;
        }
        const std::string name = "/onecopy-test-" + std::to_string(::getpid());
        for (const auto& [base, limit] :
             {std::pair<std::string, std::string>{"/sys/fs/cgroup/memory" + own_v1,
                                                  "memory.limit_in_bytes"},
              {"/sys/fs/cgroup" + own_v2, "memory.max"}}) {
            std::error_code error;
            if (!std::filesystem::exists(base, error)) continue;
            const std::filesystem::path made = std::filesystem::path(base) / name.substr(1);
            if (!std::filesystem::create_directory(made, error)) continue;
            if (!std::filesystem::exists(made / limit, error)) {
                std::filesystem::remove(made, error);
                continue;
            }
            std::ofstream(made / limit) << bytes;
            path_ = made;
            return;
        }
    }
    ~SmallGroup() {
        // The kernel lets go of its last member a moment after that has been reaped.
        std::error_code error;
        if (!path_.empty()) eventually([&] { return ::rmdir(path_.c_str()) == 0; });
    }
    SmallGroup(const SmallGroup&) = delete;
    SmallGroup& operator=(const SmallGroup&) = delete;

    explicit operator bool() const { return !path_.empty(); }
    /// Puts the calling process into it.
    [[nodiscard]] bool enter() const {
        std::ofstream members(path_ / "cgroup.procs");
        members << ::getpid() << std::flush;
        return static_cast<bool>(members);
    }

private:
    std::filesystem::path path_;
};

}  // namespace onecopy::test
