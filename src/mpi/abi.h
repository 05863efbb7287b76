/* Between the preloaded stub, which knows no MPI, and the part that was compiled for one. Both come
 * from one build; `version` is checked all the same. */
#ifndef ONECOPY_MPI_ABI_H
#define ONECOPY_MPI_ABI_H

#ifdef __cplusplus
extern "C" {
#endif

enum { ONECOPY_MPI_ABI = 1 };

enum onecopy_mpi_function {
#define ONECOPY_MPI_FUNCTION(name, spelling, arguments) ONECOPY_MPI_##name,
#include "mpi/functions.def"
#undef ONECOPY_MPI_FUNCTION
    ONECOPY_MPI_FUNCTIONS
};

/* Any of them, to be cast to its own type before it is called. */
typedef void (*onecopy_mpi_entry)(void);

/* What the stub found out. Lives as long as the process. */
struct onecopy_mpi_host {
    unsigned version;
    unsigned tools_behind; /* bit f: a tool's MPI_ function f stands between us and the MPI */
    void* library;         /* handle of the MPI library, for dlsym */
    const char* text;      /* what MPI_Get_library_version says, first line */
    const char*
        objection; /* why the calls of this process cannot be taken over; NULL if they can */
};

/* Exported by the part as "onecopy_mpi_part": fills the entries with the functions that stand in
 * front of the MPI's, and returns 0; anything else: the part cannot be used. Called once, at the
 * first MPI call. */
typedef int (*onecopy_mpi_part_function)(const struct onecopy_mpi_host* host,
                                         onecopy_mpi_entry entries[ONECOPY_MPI_FUNCTIONS]);

#ifdef __cplusplus
}
#endif

#endif
