/* The preloaded library. It stands in every process of a job: shells, launchers, interpreters. So
 * it needs nothing but libc, knows no MPI's types, and does nothing until the first MPI call. Then
 * it looks which MPI is loaded, and hands all calls to the part that was built for that MPI; or, if
 * there is none, or anything is unlike what was tested, to the MPI itself.
 *
 * Arguments pass through as machine words: a handle is a pointer in one MPI and an int in another,
 * but both travel in one register or stack slot, and the callee looks at as much of it as it knows.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mpi/abi.h"

#define EXPORTED __attribute__((visibility("default")))

typedef uintptr_t word;

static const char* const mpi_names[] = {
#define ONECOPY_MPI_FUNCTION(name, spelling, arguments) "MPI_" #spelling,
#include "mpi/functions.def"
#undef ONECOPY_MPI_FUNCTION
};

static const char* const pmpi_names[] = {
#define ONECOPY_MPI_FUNCTION(name, spelling, arguments) "PMPI_" #spelling,
#include "mpi/functions.def"
#undef ONECOPY_MPI_FUNCTION
};

/* An MPI we know by its soname, which other MPIs share: hence the beginning of its version text. */
struct flavour {
    const char* soname;
    const char* tested;
    const char* part; /* NULL: there is none */
};
static const struct flavour flavours[] = {
    {"libmpi.so.40", "Open MPI v4.1", "libonecopy_mpi_openmpi.so"},
    {"libmpich.so.12", "MPICH Version", NULL},
    {"libmpi.so.12", "MPICH Version", NULL},
};

static _Atomic(onecopy_mpi_entry) mpi_entries[ONECOPY_MPI_FUNCTIONS];
static _Atomic(onecopy_mpi_entry) pmpi_entries[ONECOPY_MPI_FUNCTIONS];
static pthread_once_t resolved = PTHREAD_ONCE_INIT;

/* What resolve() decides, before it is published as a whole. */
static onecopy_mpi_entry for_mpi[ONECOPY_MPI_FUNCTIONS];
static onecopy_mpi_entry for_pmpi[ONECOPY_MPI_FUNCTIONS];

static struct onecopy_mpi_host host = {.version = ONECOPY_MPI_ABI};
static char version_text[256];

static int is_set(const char* name, const char* value) {
    const char* found = getenv(name);
    return found != NULL && strcmp(found, value) == 0;
}

/* Every rank finds the same; one line is enough. */
static int may_speak(void) {
    static const char* const ranks[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                        "SLURM_PROCID"};
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; ++i) {
        const char* rank = getenv(ranks[i]);
        if (rank != NULL) return strcmp(rank, "0") == 0;
    }
    return 1;
}

__attribute__((format(printf, 1, 2))) static void say(const char* format, ...) {
    char line[512];
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (length <= 0 || !may_speak()) return;
    const size_t bytes = (size_t)length < sizeof line ? (size_t)length : sizeof line - 1;
    if (write(STDERR_FILENO, line, bytes) < 0) return; /* nobody listens */
}

/* ISO C has no conversion between the two kinds of pointers; POSIX promises that they are alike. */
static onecopy_mpi_entry as_function(void* address) {
    onecopy_mpi_entry function;
    memcpy(&function, &address, sizeof function);
    return function;
}
static void* as_address(onecopy_mpi_entry function) {
    void* address;
    memcpy(&address, &function, sizeof address);
    return address;
}

/* Where the object that holds `address` is loaded; NULL for none. */
static const void* object_of(const void* address) {
    Dl_info info;
    return address != NULL && dladdr(address, &info) != 0 ? info.dli_fbase : NULL;
}

static word no_mpi(void) {
    static const word other_error = 16; /* any number but MPI_SUCCESS will do */
    say("onecopy: mpi: an MPI function was called, but no MPI library is loaded\n");
    return other_error;
}

/* The MPI's own functions, by their PMPI_ names in the MPI's own library. */
static void pass_through(void* library) {
    for (int f = 0; f < ONECOPY_MPI_FUNCTIONS; ++f) {
        void* real = dlsym(library != NULL ? library : RTLD_NEXT, pmpi_names[f]);
        for_pmpi[f] = real != NULL ? as_function(real) : (onecopy_mpi_entry)no_mpi;
    }
}

/* A tool that was linked or preloaded behind us still gets the MPI_ calls, and reaches us again by
 * the PMPI_ names, as it would reach the MPI. */
static void find_tools(const void* mpi_object) {
    for (int f = 0; f < ONECOPY_MPI_FUNCTIONS; ++f) {
        void* next = dlsym(RTLD_NEXT, mpi_names[f]);
        const void* object = object_of(next);
        if (object != NULL && object != mpi_object) {
            for_mpi[f] = as_function(next);
            host.tools_behind |= 1u << f;
        } else {
            for_mpi[f] = for_pmpi[f];
        }
    }
}

/* Whether the program's calls come here. They do not if its objects bound these names to the MPI's
 * library some other way; then other ranks must not wait for us here. */
static const char* find_objection(const void* mpi_object) {
    for (int f = 0; f < ONECOPY_MPI_FUNCTIONS; ++f) {
        const void* seen = object_of(dlsym(RTLD_DEFAULT, mpi_names[f]));
        const void* seen_by_tools = object_of(dlsym(RTLD_DEFAULT, pmpi_names[f]));
        if (seen == NULL || seen_by_tools == NULL || seen == mpi_object ||
            seen_by_tools == mpi_object) {
            return "its MPI calls do not reach onecopy (another library is loaded in front)";
        }
    }
    return NULL;
}

/* The first line of what the MPI says of itself. Allowed before MPI_Init since MPI 3.1. */
static void read_version(void* library) {
    typedef int (*get_version)(char*, int*);
    static char text[16384]; /* the longest of any MPI is 8192 */
    int length = 0;
    const get_version get = (get_version)as_function(dlsym(library, "PMPI_Get_library_version"));
    if (get == NULL || get(text, &length) != 0) return;
    const size_t line = strcspn(text, "\n");
    memcpy(version_text, text, line < sizeof version_text ? line : sizeof version_text - 1);
}

static void* load_part(const char* name) {
    Dl_info self;
    char path[4096];
    if (dladdr((const void*)&host, &self) == 0) return NULL;
    const char* slash = strrchr(self.dli_fname, '/');
    const int directory = slash != NULL ? (int)(slash - self.dli_fname) : 1;
    const char* from = slash != NULL ? self.dli_fname : ".";
    if (snprintf(path, sizeof path, "%.*s/%s", directory, from, name) >= (int)sizeof path) {
        return NULL;
    }
    return dlopen(path, RTLD_NOW | RTLD_LOCAL);
}

/* The part's entries in place of the MPI's, if all is as it was tested. */
static void take_over(const struct flavour* flavour, const void* mpi_object) {
    read_version(host.library);
    host.text = version_text;
    const int known = strncmp(version_text, flavour->tested, strlen(flavour->tested)) == 0;
    if (!known && !is_set("ONECOPY_MPI_FORCE", "1")) {
        say("onecopy: mpi: passing everything to the MPI: %s is \"%s\", which was not tested; "
            "ONECOPY_MPI_FORCE=1 tries it\n",
            flavour->soname, version_text);
        return;
    }
    if (flavour->part == NULL) {
        if (is_set("ONECOPY_VERBOSE", "1")) {
            say("onecopy: mpi: passing everything to the MPI: nothing was built for \"%s\"\n",
                version_text);
        }
        return;
    }
    void* part = load_part(flavour->part);
    if (part == NULL) {
        say("onecopy: mpi: passing everything to the MPI: %s\n", dlerror());
        return;
    }
    onecopy_mpi_part_function start =
        (onecopy_mpi_part_function)as_function(dlsym(part, "onecopy_mpi_part"));
    onecopy_mpi_entry entries[ONECOPY_MPI_FUNCTIONS];
    host.objection = find_objection(mpi_object);
    if (start == NULL || start(&host, entries) != 0) {
        say("onecopy: mpi: passing everything to the MPI: %s does not fit \"%s\"\n", flavour->part,
            version_text);
        return;
    }
    for (int f = 0; f < ONECOPY_MPI_FUNCTIONS; ++f) {
        if (for_mpi[f] == for_pmpi[f]) for_mpi[f] = entries[f];
        for_pmpi[f] = entries[f];
    }
}

static void decide(void) {
    const struct flavour* flavour = NULL;
    for (size_t i = 0; i < sizeof flavours / sizeof *flavours && host.library == NULL; ++i) {
        flavour = &flavours[i];
        host.library = dlopen(flavour->soname, RTLD_NOLOAD | RTLD_NOW);
    }
    pass_through(host.library);
    const void* mpi_object = object_of(as_address(for_pmpi[0]));
    find_tools(mpi_object);
    if (is_set("ONECOPY", "0")) return;
    if (host.library == NULL) {
        if (is_set("ONECOPY_VERBOSE", "1")) {
            say("onecopy: mpi: passing everything to the MPI: none that is known is loaded\n");
        }
        return;
    }
    take_over(flavour, mpi_object);
}

static void resolve(void) {
    decide();
    for (int f = 0; f < ONECOPY_MPI_FUNCTIONS; ++f) {
        atomic_store_explicit(&pmpi_entries[f], for_pmpi[f], memory_order_release);
        atomic_store_explicit(&mpi_entries[f], for_mpi[f], memory_order_release);
    }
}

static onecopy_mpi_entry entry(_Atomic(onecopy_mpi_entry)* entries, enum onecopy_mpi_function f) {
    onecopy_mpi_entry found = atomic_load_explicit(&entries[f], memory_order_acquire);
    if (__builtin_expect(found == NULL, 0)) {
        pthread_once(&resolved, resolve);
        found = atomic_load_explicit(&entries[f], memory_order_acquire);
    }
    return found;
}

#define PARAMETERS_0 void
#define PARAMETERS_2 word a, word b
#define PARAMETERS_4 word a, word b, word c, word d
#define PARAMETERS_6 word a, word b, word c, word d, word e, word f
#define PARAMETERS_7 word a, word b, word c, word d, word e, word f, word g
#define ARGUMENTS_0
#define ARGUMENTS_2 a, b
#define ARGUMENTS_4 a, b, c, d
#define ARGUMENTS_6 a, b, c, d, e, f
#define ARGUMENTS_7 a, b, c, d, e, f, g

#define ENTRY(exported, entries, name, arguments)                                     \
    EXPORTED int exported(PARAMETERS_##arguments);                                    \
    EXPORTED int exported(PARAMETERS_##arguments) {                                   \
        return ((int (*)(PARAMETERS_##arguments))entry(entries, ONECOPY_MPI_##name))( \
            ARGUMENTS_##arguments);                                                   \
    }

#define ONECOPY_MPI_FUNCTION(name, spelling, arguments) \
    ENTRY(MPI_##spelling, mpi_entries, name, arguments) \
    ENTRY(PMPI_##spelling, pmpi_entries, name, arguments)
#include "mpi/functions.def"
