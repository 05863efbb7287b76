#include "cli/judge_region.hpp"

#include <gtest/gtest.h>

namespace onecopy::cli {
namespace {

const std::vector<os::Mount> mounts{{8, 1, "ext4", "/"},
                                    {0, 60, "fuse.sshfs", "/mnt/far"},
                                    {0, 61, "nfs4", "/home"},
                                    {8, 17, "fuseblk", "/mnt/stick"},
                                    {0, 25, "tmpfs", "/dev/shm"}};

os::Region region(std::string name, unsigned major, unsigned minor, std::uint64_t inode = 7) {
    os::Region one;
    one.begin = 0x1000;
    one.end = 0x5000;
    one.readable = true;
    one.device_major = major;
    one.device_minor = minor;
    one.inode = inode;
    one.name = std::move(name);
    return one;
}

Hazard hazard(const os::Region& one) { return judge_region(one, mounts).hazard; }

TEST(JudgeRegion, OrdinaryMemoryAndLocalFilesAreHarmless) {
    EXPECT_EQ(hazard(region("", 0, 0, 0)), Hazard::none);
    EXPECT_EQ(hazard(region("[heap]", 0, 0, 0)), Hazard::none);
    EXPECT_EQ(hazard(region("/usr/bin/cat", 8, 1)), Hazard::none);
    EXPECT_EQ(hazard(region("/dev/shm/x", 0, 25)), Hazard::none);
}

TEST(JudgeRegion, FilesThatSomebodyElseServesCanBlock) {
    EXPECT_EQ(hazard(region("/mnt/far/x", 0, 60)), Hazard::outside_server);
    EXPECT_EQ(hazard(region("/home/x", 0, 61)), Hazard::outside_server);
    EXPECT_EQ(hazard(region("/mnt/stick/x", 8, 17)), Hazard::outside_server)
        << "a FUSE file system on a block device";
    EXPECT_NE(judge_region(region("/mnt/far/x", 0, 60), mounts).why.find("fuse.sshfs"),
              std::string::npos);
}

TEST(JudgeRegion, FilesOfNoKnownMountCanBlockUnlessTheKernelMadeThem) {
    EXPECT_EQ(hazard(region("/mnt/gone/x", 0, 99)), Hazard::unknown_files);
    EXPECT_EQ(hazard(region("/was/here (deleted)", 8, 33)), Hazard::none) << "on a disk";
    for (const char* name : {"/memfd:arena (deleted)", "/dev/zero (deleted)", "/SYSV00000001",
                             "/anon_hugepage (deleted)", "anon_inode:[io_uring]"}) {
        EXPECT_EQ(hazard(region(name, 0, 1)), Hazard::none) << name;
    }
}

TEST(JudgeRegion, UserfaultfdBlocksReadersUnlessItOnlyWatchesWrites) {
    os::Region one = region("", 0, 0, 0);
    one.uffd_write_protect = true;
    EXPECT_EQ(hazard(one), Hazard::none);
    one.uffd_minor = true;
    EXPECT_EQ(hazard(one), Hazard::userfaultfd);
    one.uffd_minor = false;
    one.uffd_missing = true;
    EXPECT_EQ(hazard(one), Hazard::userfaultfd);
    EXPECT_TRUE(judge_region(one, mounts).can_block());
}

TEST(JudgeRegion, WhatNobodyElseMayReadIsNotCalledBlocking) {
    os::Region one = region("", 0, 0, 0);
    one.readable = false;
    EXPECT_EQ(hazard(one), Hazard::not_readable);
    EXPECT_EQ(hazard(region("[vvar]", 0, 0, 0)), Hazard::kernel_pages);
    EXPECT_EQ(hazard(region("[vvar_vclock]", 0, 0, 0)), Hazard::kernel_pages);
    EXPECT_EQ(hazard(region("[vdso]", 0, 0, 0)), Hazard::none);
    os::Region card = region("/dev/fb0", 0, 5);
    card.device = true;
    EXPECT_EQ(hazard(card), Hazard::device);
    EXPECT_FALSE(judge_region(card, mounts).can_block());
}

TEST(JudgeRegion, SharedMemoryIsToldFromFilesAndFromAnonymousMemory) {
    EXPECT_TRUE(is_shared_memory(region("/memfd:x (deleted)", 0, 1), mounts));
    EXPECT_TRUE(is_shared_memory(region("/dev/shm/x", 0, 25), mounts));
    EXPECT_TRUE(is_shared_memory(region("/dev/zero (deleted)", 0, 1), mounts));
    EXPECT_FALSE(is_shared_memory(region("/usr/bin/cat", 8, 1), mounts));
    EXPECT_FALSE(is_shared_memory(region("[heap]", 0, 0, 0), mounts));
}

}  // namespace
}  // namespace onecopy::cli
