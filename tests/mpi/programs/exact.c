/* Integers at the ends of their ranges: sums and products wrap around, as C's unsigned ones do, and
 * minima and maxima are those of the type. Prints each combination that is otherwise. */
#include <mpi.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { bytes = 1 << 18 };

static int rank, size, wrong;

/* What rank `who` brings in place `i`: the last values before the end, the first ones, the middle.
 */
static uint64_t value(int who, int i) {
    const uint64_t ends[] = {UINT64_MAX,          0,
                             (uint64_t)INT64_MAX, (uint64_t)INT64_MAX + 1,
                             0x7f7f7f7f7f7f7f7f,  0xc8c8c8c8c8c8c8c8};
    return ends[(i + who * (1 + i / 6)) % 6] + (uint64_t)(i % 5) * 0x0101010101010101 +
           (uint64_t)who;
}

static void complain(const char* operation, MPI_Datatype type, int differ, int count) {
    char name[MPI_MAX_OBJECT_NAME];
    int length;
    MPI_Type_get_name(type, name, &length);
    if (rank == 0) printf("%s of %s: %d of %d\n", operation, name, differ, count);
}

#define TRY(type, C, op, combined)                                      \
    do {                                                                \
        enum { count = bytes / sizeof(C) };                             \
        C* source = malloc(bytes);                                      \
        C* result = malloc(bytes);                                      \
        int differ = 0;                                                 \
        for (int i = 0; i < count; ++i) source[i] = (C)value(rank, i);  \
        MPI_Allreduce(source, result, count, type, op, MPI_COMM_WORLD); \
        for (int i = 0; i < count; ++i) {                               \
            C a = (C)value(0, i);                                       \
            for (int who = 1; who < size; ++who) {                      \
                const C b = (C)value(who, i);                           \
                a = (C)(combined);                                      \
            }                                                           \
            differ += result[i] != a;                                   \
        }                                                               \
        if (differ != 0) complain(#op, type, differ, count);            \
        wrong += differ != 0;                                           \
        free(source);                                                   \
        free(result);                                                   \
    } while (0)

#define TRY_ALL(type, C, U)                             \
    TRY(type, C, MPI_SUM, (U)((U)a + (U)b));            \
    TRY(type, C, MPI_PROD, (U)((uint64_t)(U)a * (U)b)); \
    TRY(type, C, MPI_MIN, a < b ? a : b);               \
    TRY(type, C, MPI_MAX, a > b ? a : b)

int main(int argc, char** argv) {
    MPI_Init(&argc, &argv);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    TRY_ALL(MPI_SIGNED_CHAR, signed char, uint8_t);
    TRY_ALL(MPI_UNSIGNED_CHAR, unsigned char, uint8_t);
    TRY_ALL(MPI_SHORT, short, uint16_t);
    TRY_ALL(MPI_UNSIGNED_SHORT, unsigned short, uint16_t);
    TRY_ALL(MPI_INT, int, uint32_t);
    TRY_ALL(MPI_UNSIGNED, unsigned, uint32_t);
    TRY_ALL(MPI_LONG, long, uint64_t);
    TRY_ALL(MPI_UNSIGNED_LONG, unsigned long, uint64_t);
    TRY_ALL(MPI_LONG_LONG, long long, uint64_t);
    TRY_ALL(MPI_UNSIGNED_LONG_LONG, unsigned long long, uint64_t);
    TRY_ALL(MPI_INT8_T, int8_t, uint8_t);
    TRY_ALL(MPI_INT16_T, int16_t, uint16_t);
    TRY_ALL(MPI_INT32_T, int32_t, uint32_t);
    TRY_ALL(MPI_INT64_T, int64_t, uint64_t);
    TRY_ALL(MPI_UINT8_T, uint8_t, uint8_t);
    TRY_ALL(MPI_UINT16_T, uint16_t, uint16_t);
    TRY_ALL(MPI_UINT32_T, uint32_t, uint32_t);
    TRY_ALL(MPI_UINT64_T, uint64_t, uint64_t);
    TRY_ALL(MPI_AINT, MPI_Aint, uint64_t);
    TRY_ALL(MPI_OFFSET, MPI_Offset, uint64_t);
    TRY_ALL(MPI_COUNT, MPI_Count, uint64_t);
    TRY_ALL(MPI_INTEGER, int, uint32_t);
    TRY_ALL(MPI_INTEGER1, int8_t, uint8_t);
    TRY_ALL(MPI_INTEGER2, int16_t, uint16_t);
    TRY_ALL(MPI_INTEGER8, int64_t, uint64_t);
    if (wrong == 0) printf("exact is right\n");
    MPI_Finalize();
    return 0;
}
