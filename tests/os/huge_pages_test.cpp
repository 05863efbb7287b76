// What /sys says of huge pages of shared memory.
#include "os/huge_pages.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

namespace onecopy::test {
namespace {

/// A directory as the kernel's.
class Settings {
public:
    Settings() : path_("/tmp/onecopy-huge-" + std::to_string(::getpid())) {
        std::filesystem::create_directories(path_ / "hugepages-64kB");
        std::filesystem::create_directories(path_ / "khugepaged");
    }
    ~Settings() { std::filesystem::remove_all(path_); }
    Settings(const Settings&) = delete;
    Settings& operator=(const Settings&) = delete;
    bool with(const char* top, const char* of_64_kib) const {
        std::ofstream(path_ / "shmem_enabled") << top << '\n';
        std::ofstream(path_ / "hugepages-64kB" / "shmem_enabled") << of_64_kib << '\n';
        return os::shared_memory_may_be_huge(path_.string());
    }

private:
    std::filesystem::path path_;
};

TEST(HugePages, AreThereIfAnySizeMayBeUsed) {
    const Settings settings;
    const char* const never = "always inherit within_size advise [never]";
    EXPECT_FALSE(settings.with(never, never));
    EXPECT_FALSE(settings.with(never, "always [inherit] within_size advise never"));
    EXPECT_FALSE(settings.with("always within_size advise never [deny] force", never));
    EXPECT_TRUE(settings.with(never, "always inherit within_size [advise] never"));
    EXPECT_TRUE(settings.with("[always] within_size advise never deny force", never));
    EXPECT_TRUE(settings.with("always within_size [advise] never deny force",
                              "always [inherit] within_size advise never"));
}

}  // namespace
}  // namespace onecopy::test
