// What the children of a job's keeper tell it when they cannot do their work.
#pragma once

namespace onecopy::cli {

/// One message in a pipe that all of them share: short enough to arrive whole.
struct Trouble {
    enum class Step {
        bind,    ///< a rank to its core
        exec,    ///< the program of a rank
        output,  ///< writing the ranks' output to the launcher's
    };
    int rank;
    Step step;
    int error;  ///< errno
};

}  // namespace onecopy::cli
