// A rank of MPI. What includes this is compiled once for each MPI.
#pragma once

#include <mpi.h>

#include <algorithm>
#include <string>

#include "rank/member.hpp"

namespace onecopy::bench {

inline void check(int code, const char* what) {
    if (code != MPI_SUCCESS) throw Unusable(std::string(what) + " failed");
}

/// Between MPI_Init and MPI_Finalize.
class MpiRank {
public:
    /// Throws Unusable.
    explicit MpiRank(const Setup& setup) {
        check(MPI_Init(nullptr, nullptr), "MPI_Init");
        check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "MPI_Comm_rank");
        int ranks = 0;
        check(MPI_Comm_size(MPI_COMM_WORLD, &ranks), "MPI_Comm_size");
        // A program of another MPI than its launcher's is alone in its world.
        if (ranks != setup.ranks) throw Unusable("mpirun and the driver are of different MPIs");
    }
    MpiRank(const MpiRank&) = delete;
    MpiRank& operator=(const MpiRank&) = delete;
    ~MpiRank() { MPI_Finalize(); }

    [[nodiscard]] int rank() const noexcept { return rank_; }

    /// What was sent may still need this side.
    static void progress() {
        int found = 0;
        MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, MPI_COMM_WORLD, &found, MPI_STATUS_IGNORE);
    }

    /// The first line, up to a comma, of what it says about itself.
    static std::string version() {
        std::string text(MPI_MAX_LIBRARY_VERSION_STRING, '\0');
        int length = 0;
        MPI_Get_library_version(text.data(), &length);
        text.resize(static_cast<std::size_t>(length));
        text = text.substr(0, text.find_first_of(",\n"));
        std::replace(text.begin(), text.end(), '\t', ' ');
        return text;
    }

private:
    int rank_ = -1;
};

}  // namespace onecopy::bench
