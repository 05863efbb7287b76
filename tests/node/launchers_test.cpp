// Ranks of MPICH's mpirun and of Slurm's srun.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "commands.hpp"
#include "os/fd.hpp"
#include "support/child.hpp"

namespace onecopy {
namespace {

using test::Arguments;
using test::Command;
using test::Ended;
using test::is_installed;
using test::lines_of;
using test::rank_program;
using test::run;
using test::operator+;

// Under Hydra there is no PMIx: by key, and by the numbers that it gives.

class Hydra : public testing::Test {
protected:
    void SetUp() override {
        if (!is_installed("mpirun.mpich")) GTEST_SKIP() << "there is no mpirun.mpich";
    }
};

TEST_F(Hydra, RanksOfMpichsMpirunFindEachOtherByAKey) {
    EXPECT_SUCCESS(run({"mpirun.mpich", "-n", "4", rank_program, "node", "node"},
                       {"ONECOPY_JOB=key:of the test " + std::to_string(::getpid())}),
                   lines_of({4}, 2));
}

TEST_F(Hydra, WithoutAKeyARankIsToldThatItIsOfNoJob) {
    const Ended result = run({"mpirun.mpich", "-n", "1", rank_program, "node"});
    EXPECT_NE(result.status, 0);
    EXPECT_NE(result.err.find("is no rank of a job"), std::string::npos) << result.err;
}

// Slurm, with daemons of our own. They ask nobody who he is, so they have a network of their own.

/// While it lives, what the calling thread starts has a network of its own: a loopback device.
class OwnNetwork {
public:
    OwnNetwork() : before_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
        if (!before_ || ::unshare(CLONE_NEWNET) != 0) return;
        is_there_ = true;
        const os::Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
        ifreq loopback{};
        std::strcpy(loopback.ifr_name, "lo");
        loopback.ifr_flags = IFF_UP | IFF_RUNNING;
        EXPECT_EQ(::ioctl(socket.get(), SIOCSIFFLAGS, &loopback), 0);
        // An address that is not 127.0.0.1, or getaddrinfo(3) finds that there is no network.
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(0xc000'0201);  // 192.0.2.1, which nobody has
        ifreq second{};
        std::strcpy(second.ifr_name, "lo:1");
        std::memcpy(&second.ifr_addr, &address, sizeof address);
        EXPECT_EQ(::ioctl(socket.get(), SIOCSIFADDR, &second), 0);
    }
    ~OwnNetwork() {
        if (is_there_) {
            EXPECT_EQ(::setns(before_.get(), CLONE_NEWNET), 0);
        }
    }
    OwnNetwork(const OwnNetwork&) = delete;
    OwnNetwork& operator=(const OwnNetwork&) = delete;

    [[nodiscard]] bool is_there() const noexcept { return is_there_; }

private:
    os::Fd before_;
    bool is_there_ = false;
};

class Slurm : public testing::Test {
protected:
    void SetUp() override {
        for (const char* const program : {"srun", "slurmctld", "slurmd"}) {
            if (!is_installed(program)) GTEST_SKIP() << "there is no " << program;
        }
        if (::geteuid() != 0 || !network_.is_there()) GTEST_SKIP() << "it needs to be root";
        write_settings();
        environment_ = {"SLURM_CONF=" + here_ + "/slurm.conf"};
        controller_ = std::make_unique<Command>(Arguments{"slurmctld", "-D", "-i"}, environment_);
        daemon_ = std::make_unique<Command>(Arguments{"slurmd", "-D"}, environment_);
        const bool up = test::eventually([&] {
            return run({"sinfo", "--noheader", "--format=%t"}, environment_).out == "idle\n";
        });
        if (!up) GTEST_SKIP() << "Slurm does not start here\n" << daemon_->err();
    }
    void TearDown() override {
        daemon_.reset();
        controller_.reset();
    }

    [[nodiscard]] Ended start(int ranks, const Arguments& words) const {
        return run(Arguments{"srun", "--quiet", "--mpi=pmix", "--overcommit", "--kill-on-bad-exit",
                             "-n", std::to_string(ranks)} +
                       words,
                   environment_);
    }

private:
    void write_settings() const {
        std::array<char, 256> name{};
        ::gethostname(name.data(), name.size() - 1);
        const std::string host =
            std::string(name.data()).substr(0, std::string(name.data()).find('.'));
        std::filesystem::create_directory(here_ + "/state");
        std::filesystem::create_directory(here_ + "/spool");
        std::ofstream(here_ + "/slurm.conf")
            << "ClusterName=onecopy\nSlurmctldHost=" << host << "(127.0.0.1)\n"
            << "SlurmUser=root\nSlurmdUser=root\nAuthType=auth/none\nCredType=cred/none\n"
            << "ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n"
            << "SelectType=select/linear\nReturnToService=2\n"
            << "StateSaveLocation=" << here_ << "/state\nSlurmdSpoolDir=" << here_ << "/spool\n"
            << "SlurmctldPidFile=" << here_ << "/controller.pid\n"
            << "SlurmdPidFile=" << here_ << "/daemon.pid\n"
            << "NodeName=" << host << " NodeAddr=127.0.0.1 CPUs=1\n"
            << "PartitionName=all Nodes=ALL Default=YES State=UP\n";
    }

    test::Folder folder_;
    std::string here_ = folder_.path();
    Arguments environment_;
    OwnNetwork network_;
    std::unique_ptr<Command> controller_, daemon_;
};

TEST_F(Slurm, RanksOfSrunAreTheRanksOfAJob) {
    EXPECT_SUCCESS(start(4, {rank_program, "one_thread", "keep", "one_thread"}), lines_of({4}));
    EXPECT_SUCCESS(start(3, {rank_program, "node", "0:nap=200", "node", "node"}), lines_of({3}, 3));
    const Ended result = start(2, {rank_program, "1:exit=0", "timeout=1000", "node"});
    EXPECT_EQ(result.status, test::rank_wrong);
    EXPECT_NE(result.err.find("wait for"), std::string::npos) << result.err;
#ifdef ONECOPY_LAUNCHED_MPI_RANK
    EXPECT_SUCCESS(start(2, {ONECOPY_LAUNCHED_MPI_RANK, "node", "mpi_init", "node", "mpi_sum",
                             "mpi_finalize", "node"}),
                   lines_of({2}, 3));
#endif
}

}  // namespace
}  // namespace onecopy
