/* A random program of reductions, the same for all ranks and for every run with the same seed. Prints
 * a line per operation with a hash of each result, so that two runs can be compared; data is chosen
 * so that every order of operations gives the same bits.
 *
 *   differential SEED OPERATIONS [DIRECTORY]
 *
 * With a directory each rank prints into a file there, named by its number.
 */
#include <complex.h>
#include <mpi.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state;

static uint64_t next(void) { /* splitmix64 */
    uint64_t z = (state += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}
static int below(int limit) { return (int)(next() % (uint64_t)limit); }

enum kind { integer, logical, floating, imaginary, bytes, pair };
static struct {
    const char* name;
    MPI_Datatype type;
    enum kind kind;
} types[48];
static int type_count;

static void add(const char* name, MPI_Datatype type, enum kind kind) {
    types[type_count].name = name;
    types[type_count].type = type;
    types[type_count++].kind = kind;
}
#define ADD(type, kind) add(#type, type, kind)

static const struct {
    const char* name;
    int kinds; /* a bit for each kind it may be used with */
} op_names[] = {
    {"sum", 1 << integer | 1 << floating | 1 << imaginary},
    {"prod", 1 << integer | 1 << floating | 1 << imaginary},
    {"min", 1 << integer | 1 << floating},
    {"max", 1 << integer | 1 << floating},
    {"land", 1 << integer | 1 << logical},
    {"lor", 1 << integer | 1 << logical},
    {"lxor", 1 << integer | 1 << logical},
    {"band", 1 << integer | 1 << bytes},
    {"bor", 1 << integer | 1 << bytes},
    {"bxor", 1 << integer | 1 << bytes},
    {"minloc", 1 << pair},
    {"maxloc", 1 << pair},
    {"mine", 1 << integer | 1 << floating},
};
enum { op_count = sizeof op_names / sizeof *op_names };
static MPI_Op ops[op_count];

/* A user's operation on ints or floats, whatever they are: it keeps the left operand. */
static void keep_left(void* left, void* right, int* length, MPI_Datatype* type) {
    MPI_Aint lower = 0, extent = 0;
    MPI_Type_get_extent(*type, &lower, &extent);
    memcpy(right, left, (size_t)*length * (size_t)extent);
}

/* Element i of `rank`: small whole numbers, so that sums are exact, and products of 1, 2 and -1. */
static int small(int i, int rank, int op) {
    const unsigned mixed = (unsigned)i * 2654435761u + (unsigned)rank * 40503u;
    return op == 1 ? (int[]){1, 2, -1, 1}[mixed >> 9 & 3] : (int)(mixed >> 7 & 7);
}

#define SET(T) ((T*)memory)[i] = (T)value
static void fill(void* memory, int count, MPI_Datatype type, int rank, int op) {
    for (int i = 0; i < count; ++i) {
        const int value = small(i, rank, op);
        if (type == MPI_SIGNED_CHAR || type == MPI_INT8_T || type == MPI_INTEGER1) SET(int8_t);
        else if (type == MPI_UNSIGNED_CHAR || type == MPI_UINT8_T || type == MPI_BYTE) SET(uint8_t);
        else if (type == MPI_SHORT || type == MPI_INT16_T) SET(short);
        else if (type == MPI_UNSIGNED_SHORT || type == MPI_UINT16_T) SET(unsigned short);
        else if (type == MPI_INT || type == MPI_INTEGER || type == MPI_INT32_T) SET(int);
        else if (type == MPI_UNSIGNED || type == MPI_UINT32_T) SET(unsigned);
        else if (type == MPI_LONG || type == MPI_LONG_LONG || type == MPI_INT64_T ||
                 type == MPI_AINT || type == MPI_INTEGER8)
            SET(long);
        else if (type == MPI_UNSIGNED_LONG || type == MPI_UINT64_T) SET(unsigned long);
        else if (type == MPI_FLOAT || type == MPI_REAL) SET(float);
        else if (type == MPI_DOUBLE || type == MPI_DOUBLE_PRECISION) SET(double);
        else if (type == MPI_LONG_DOUBLE) SET(long double);
        else if (type == MPI_C_FLOAT_COMPLEX || type == MPI_COMPLEX)
            ((float complex*)memory)[i] = (float)value + (op == 1 ? 0 : 2) * I;
        else if (type == MPI_C_DOUBLE_COMPLEX || type == MPI_DOUBLE_COMPLEX)
            ((double complex*)memory)[i] = (double)value + (op == 1 ? 0 : 3) * I;
        else if (type == MPI_C_BOOL) ((bool*)memory)[i] = (value & 1) != 0;
        else if (type == MPI_LOGICAL) ((int*)memory)[i] = value & 1;
        else if (type == MPI_2INT || type == MPI_2INTEGER) {
            ((int*)memory)[2 * i] = value;
            ((int*)memory)[2 * i + 1] = rank;
        } else if (type == MPI_FLOAT_INT) {
            struct { float value; int index; }* at = memory;
            at[i].value = (float)value;
            at[i].index = rank;
        } else if (type == MPI_DOUBLE_INT) {
            struct { double value; int index; }* at = memory;
            at[i].value = value;
            at[i].index = rank;
        } else if (type == MPI_LONG_INT) {
            struct { long value; int index; }* at = memory;
            at[i].value = value;
            at[i].index = rank;
        } else {
            MPI_Abort(MPI_COMM_WORLD, 3);
        }
    }
}

/* A product's zero is signed by the order of its factors: all zeros become +0. */
static void unsign_zeros(void* memory, int count, MPI_Datatype type) {
    if (type == MPI_C_FLOAT_COMPLEX || type == MPI_COMPLEX) {
        for (int i = 0; i < 2 * count; ++i) ((float*)memory)[i] += 0.0F;
    } else if (type == MPI_C_DOUBLE_COMPLEX || type == MPI_DOUBLE_COMPLEX) {
        for (int i = 0; i < 2 * count; ++i) ((double*)memory)[i] += 0.0;
    }
}

/* A hash of the values: of all bytes, but for the padding of pairs and long doubles. */
static uint64_t hash(const void* memory, int count, MPI_Datatype type) {
    MPI_Aint lower = 0, extent = 0;
    MPI_Type_get_extent(type, &lower, &extent);
    const int size = type == MPI_LONG_DOUBLE ? 10
                   : type == MPI_DOUBLE_INT || type == MPI_LONG_INT ? 12
                                                                    : (int)extent;
    uint64_t value = 0xcbf29ce484222325;
    for (int i = 0; i < count; ++i) {
        const unsigned char* at = (const unsigned char*)memory + (size_t)i * (size_t)extent;
        for (int b = 0; b < size; ++b) value = (value ^ at[b]) * 0x100000001b3;
    }
    return value;
}

int main(int argc, char** argv) {
    MPI_Init(&argc, &argv);
    int rank = 0, size = 0;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    state = argc > 1 ? strtoull(argv[1], NULL, 10) : 1;
    const int operations = argc > 2 ? atoi(argv[2]) : 50;
    char path[4096];
    if (argc > 3) {
        snprintf(path, sizeof path, "%s/%d", argv[3], rank);
        if (freopen(path, "w", stdout) == NULL) MPI_Abort(MPI_COMM_WORLD, 2);
    }

    ADD(MPI_SIGNED_CHAR, integer), ADD(MPI_UNSIGNED_CHAR, integer), ADD(MPI_SHORT, integer);
    ADD(MPI_UNSIGNED_SHORT, integer), ADD(MPI_INT, integer), ADD(MPI_UNSIGNED, integer);
    ADD(MPI_LONG, integer), ADD(MPI_UNSIGNED_LONG, integer), ADD(MPI_LONG_LONG, integer);
    ADD(MPI_INT8_T, integer), ADD(MPI_INT16_T, integer), ADD(MPI_INT32_T, integer);
    ADD(MPI_INT64_T, integer), ADD(MPI_UINT8_T, integer), ADD(MPI_UINT16_T, integer);
    ADD(MPI_UINT32_T, integer), ADD(MPI_UINT64_T, integer);
    ADD(MPI_FLOAT, floating), ADD(MPI_DOUBLE, floating), ADD(MPI_LONG_DOUBLE, floating);
    ADD(MPI_REAL, floating), ADD(MPI_DOUBLE_PRECISION, floating);
    ADD(MPI_C_FLOAT_COMPLEX, imaginary), ADD(MPI_C_DOUBLE_COMPLEX, imaginary);
    ADD(MPI_COMPLEX, imaginary), ADD(MPI_DOUBLE_COMPLEX, imaginary);
    ADD(MPI_C_BOOL, logical), ADD(MPI_LOGICAL, logical), ADD(MPI_BYTE, bytes);
    ADD(MPI_2INT, pair), ADD(MPI_2INTEGER, pair), ADD(MPI_FLOAT_INT, pair);
    ADD(MPI_DOUBLE_INT, pair), ADD(MPI_LONG_INT, pair);
    const MPI_Op predefined[] = {MPI_SUM, MPI_PROD, MPI_MIN,  MPI_MAX, MPI_LAND,   MPI_LOR,
                                 MPI_LXOR, MPI_BAND, MPI_BOR, MPI_BXOR, MPI_MINLOC, MPI_MAXLOC};
    memcpy(ops, predefined, sizeof predefined);
    MPI_Op_create(keep_left, 0, &ops[op_count - 1]);

    MPI_Comm halves, backwards, copy, again = MPI_COMM_NULL;
    MPI_Comm_split(MPI_COMM_WORLD, rank % 2, rank, &halves);
    MPI_Comm_split(MPI_COMM_WORLD, 0, -rank, &backwards);
    MPI_Comm_dup(MPI_COMM_WORLD, &copy);

    uint64_t total = 0;
    for (int i = 0; i < operations; ++i) {
        int t = 0, op = 0;
        do {
            t = below(type_count);
            op = below(op_count);
        } while ((op_names[op].kinds >> types[t].kind & 1) == 0);
        const MPI_Datatype type = types[t].type;
        MPI_Aint lower = 0, extent = 0;
        MPI_Type_get_extent(type, &lower, &extent);
        const int most = (1 << (3 + below(19))) / (int)extent;
        const int count = below(most + 1);
        const int which = below(5);
        if (which == 4) { /* made and freed again and again: channels are reused */
            if (again != MPI_COMM_NULL) MPI_Comm_free(&again);
            MPI_Comm_dup(below(2) != 0 ? backwards : halves, &again);
        }
        const MPI_Comm comm = which == 0   ? MPI_COMM_WORLD
                              : which == 1 ? halves
                              : which == 2 ? backwards
                              : which == 3 ? copy
                                           : again;
        const int to_all = below(2);
        const unsigned in_place_bits = (unsigned)next();
        const int root_number = below(1 << 20);
        int here = 0, members = 0;
        MPI_Comm_rank(comm, &here);
        MPI_Comm_size(comm, &members);
        /* The two halves may differ in their number of members. */
        const int root = root_number % members;
        const int in_place = (in_place_bits >> rank & 1) != 0 && (to_all || here == root);

        const size_t bytes = (size_t)count * (size_t)extent + 64;
        void* source = calloc(1, bytes);
        void* result = malloc(bytes);
        memset(result, 0x5a, bytes);
        if (in_place && types[t].kind == pair) memset(result, 0, bytes);
        fill(in_place ? result : source, count, type, rank, op);
        const uint64_t before = hash(source, count, type);
        const void* from = in_place ? MPI_IN_PLACE : source;
        int code = 0;
        if (to_all) {
            code = MPI_Allreduce(from, result, count, type, ops[op], comm);
        } else {
            code = MPI_Reduce(from, here == root ? result : NULL, count, type, ops[op], root, comm);
        }
        if (to_all || here == root) unsign_zeros(result, count, type);
        uint64_t mine = hash(result, count, type) + (uint64_t)code * 77;
        /* Nothing behind the result is touched, nor is the source. */
        const unsigned char* behind = (unsigned char*)result + (size_t)count * (size_t)extent;
        const int guard = in_place && types[t].kind == pair ? 0 : 0x5a;
        for (int b = 0; b < 64; ++b) {
            if (behind[b] != guard) mine = 0;
        }
        if (!in_place && hash(source, count, type) != before) mine = 1;
        total = (total ^ mine) * 0x100000001b3;
        printf("%03d rank %d: %s %s of %d %s comm %d root %d%s: %016llx\n", i, rank,
               to_all ? "allreduce" : "reduce", op_names[op].name, count, types[t].name, which,
               root, in_place ? " in place" : "", (unsigned long long)mine);
        free(source);
        free(result);
    }
    printf("end rank %d: %016llx\n", rank, (unsigned long long)total);
    if (again != MPI_COMM_NULL) MPI_Comm_free(&again);
    MPI_Comm_free(&halves);
    MPI_Comm_free(&backwards);
    MPI_Comm_free(&copy);
    MPI_Op_free(&ops[op_count - 1]);
    MPI_Finalize();
    return 0;
}
