#include "os/mounts.hpp"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace onecopy::os {
namespace {

TEST(Mounts, ALineGivesDeviceTypeAndPlace) {
    Mount mount;
    ASSERT_TRUE(
        parse_mount("36 35 98:0 /mnt1 /mnt/my\\040disk rw,noatime master:1 shared:2 - ext3 "
                    "/dev/root rw,errors=continue",
                    mount));
    EXPECT_EQ(mount.device_major, 98U);
    EXPECT_EQ(mount.device_minor, 0U);
    EXPECT_EQ(mount.type, "ext3");
    EXPECT_EQ(mount.point, "/mnt/my disk");
    ASSERT_TRUE(parse_mount("36 35 0:45 / /far rw - fuse.sshfs me@far: rw", mount));
    EXPECT_EQ(mount.type, "fuse.sshfs");
}

TEST(Mounts, OtherLinesAreNone) {
    Mount mount;
    for (const char* line : {"", "1 2", "1 2 x:y / / rw - ext4 a b", "1 2 8:1 / / rw ext4",
                             "1 2 8 / / rw - ext4 a b", "1 2 8:x / / rw - ext4 a b"}) {
        EXPECT_FALSE(parse_mount(line, mount)) << line;
    }
}

RC_GTEST_PROP(Mounts, AnyLineIsSurvived, (const std::string& line)) {
    Mount mount;
    parse_mount(line, mount);
    parse_mount("36 35 98:0 / " + line + " - " + line, mount);
}

TEST(Mounts, OfThisProcessHoldProc) {
    std::error_code error;
    const std::vector<Mount> mounts = read_mounts("self", error);
    ASSERT_FALSE(error);
    bool found = false;
    for (const Mount& mount : mounts) {
        if (mount.type != "proc") continue;
        found = true;
        EXPECT_NE(find_mount(mounts, mount.device_major, mount.device_minor), nullptr);
    }
    EXPECT_TRUE(found);
    EXPECT_EQ(find_mount(mounts, 12345, 6789), nullptr);
}

TEST(Mounts, WhatSomebodyElseServesCanBlockForEver) {
    for (const char* type :
         {"fuse", "fuseblk", "fuse.sshfs", "nfs", "nfs4", "cifs", "9p", "ceph"}) {
        EXPECT_TRUE(can_block_for_ever(type)) << type;
    }
    for (const char* type : {"ext4", "xfs", "btrfs", "tmpfs", "overlay", "proc", "squashfs"}) {
        EXPECT_FALSE(can_block_for_ever(type)) << type;
    }
}

}  // namespace
}  // namespace onecopy::os
