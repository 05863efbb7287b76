// The program that `onecopy bench mpi` starts under mpirun: plain MPI, no onecopy in it. It times
// one collective operation on doubles, and prints the samples; the bench compares the ways it was
// started in.
//
//   onecopy-mpi-driver WORK REPETITIONS BYTES...     WORK: allreduce, reduce
//
// Sizes above 1 MiB are repeated less often, in proportion, but 7 times at least.
// Each repetition: every rank writes its source anew, a barrier, the operation between two readings
// of the clock, and the result is checked element by element. A sample is the slowest rank's time.
// Rank 0 prints a line a size: "BYTES VERIFIED SAMPLE..." (microseconds; VERIFIED 0 or 1).
#include <mpi.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

/// Whole numbers, so that every order of additions gives the same sum.
double value_of(std::size_t index, int rank, int repetition) {
    return static_cast<double>(index % 1024) + rank + repetition % 7;
}

double sum_of(std::size_t index, int ranks, int repetition) {
    return ranks * (static_cast<double>(index % 1024) + repetition % 7) + ranks * (ranks - 1) / 2.0;
}

struct Run {
    bool all_ranks;  ///< allreduce, or reduce to rank 0
    int repetitions;
    int rank;
    int ranks;
};

/// One operation on freshly written data; its time in microseconds. Clears `verified` if the result
/// is wrong.
double time_one(const Run& run, int repetition, std::vector<double>& source,
                std::vector<double>& result, bool& verified) {
    for (std::size_t i = 0; i < source.size(); ++i) source[i] = value_of(i, run.rank, repetition);
    std::fill(result.begin(), result.end(), -1.0);
    const int count = static_cast<int>(source.size());
    MPI_Barrier(MPI_COMM_WORLD);
    const double start = MPI_Wtime();
    if (run.all_ranks) {
        MPI_Allreduce(source.data(), result.data(), count, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    } else {
        MPI_Reduce(source.data(), result.data(), count, MPI_DOUBLE, MPI_SUM, 0, MPI_COMM_WORLD);
    }
    const double end = MPI_Wtime();
    if (run.all_ranks || run.rank == 0) {
        for (std::size_t i = 0; i < result.size(); ++i) {
            verified = verified && result[i] == sum_of(i, run.ranks, repetition);
        }
    }
    return (end - start) * 1e6;
}

int repetitions_of(const Run& run, std::size_t bytes) {
    constexpr std::size_t full = 1 << 20;
    if (bytes <= full) return run.repetitions;
    return std::max(7, static_cast<int>(static_cast<std::size_t>(run.repetitions) * full / bytes));
}

void measure(const Run& run, std::size_t bytes) {
    constexpr int warm_up = 3;
    const int repetitions = repetitions_of(run, bytes);
    std::vector<double> source(bytes / sizeof(double));
    std::vector<double> result(source.size());
    std::vector<double> samples;
    bool verified = true;
    for (int i = -warm_up; i < repetitions; ++i) {
        const double time = time_one(run, i + warm_up, source, result, verified);
        if (i >= 0) samples.push_back(time);
    }
    std::vector<double> slowest(samples.size());
    MPI_Reduce(samples.data(), slowest.data(), static_cast<int>(samples.size()), MPI_DOUBLE,
               MPI_MAX, 0, MPI_COMM_WORLD);
    const int mine = verified ? 1 : 0;
    int all = 0;
    MPI_Reduce(&mine, &all, 1, MPI_INT, MPI_MIN, 0, MPI_COMM_WORLD);
    if (run.rank != 0) return;
    std::printf("%zu %d", bytes, all);
    for (const double sample : slowest) std::printf(" %.3f", sample);
    std::printf("\n");
    std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
    MPI_Init(&count, &arguments);
    Run run{};
    MPI_Comm_rank(MPI_COMM_WORLD, &run.rank);
    MPI_Comm_size(MPI_COMM_WORLD, &run.ranks);
    const std::string work = count > 1 ? arguments[1] : "";
    run.all_ranks = work == "allreduce";
    run.repetitions = count > 2 ? std::atoi(arguments[2]) : 0;
    if (count < 4 || run.repetitions < 1 || (work != "allreduce" && work != "reduce")) {
        if (run.rank == 0) {
            std::fprintf(stderr, "usage: %s allreduce|reduce REPETITIONS BYTES...\n", arguments[0]);
        }
        MPI_Finalize();
        return 2;
    }
    for (int i = 3; i < count; ++i) {
        measure(run, static_cast<std::size_t>(std::strtoull(arguments[i], nullptr, 10)));
    }
    MPI_Finalize();
    return 0;
}
