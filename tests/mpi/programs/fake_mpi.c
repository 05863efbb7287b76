/* An MPI of nobody's that shares Open MPI's soname. */
#include <stdio.h>
#include <string.h>

int PMPI_Get_library_version(char* text, int* length) {
    strcpy(text, "Somebody Else's MPI 7");
    *length = (int)strlen(text);
    return 0;
}
int PMPI_Init(int* a, char*** b) {
    (void)a, (void)b;
    printf("fake: init\n");
    return 0;
}
int PMPI_Finalize(void) {
    printf("fake: finalize\n");
    return 0;
}
int PMPI_Allreduce(const void* a, void* b, int c, int d, int e, int f) {
    (void)a, (void)b;
    printf("fake: allreduce %d %d %d %d\n", c, d, e, f);
    return 42;
}
int PMPI_Reduce(const void* a, void* b, int c, int d, int e, int f, int g) {
    (void)a, (void)b;
    printf("fake: reduce %d %d %d %d %d\n", c, d, e, f, g);
    return 43;
}
int PMPI_Init_thread(int* a, char*** b, int c, int* d) {
    (void)a, (void)b, (void)c;
    *d = c;
    return 0;
}
int MPI_Init(int* a, char*** b) { return PMPI_Init(a, b); }
int MPI_Finalize(void) { return PMPI_Finalize(); }
int MPI_Init_thread(int* a, char*** b, int c, int* d) { return PMPI_Init_thread(a, b, c, d); }
int MPI_Allreduce(const void* a, void* b, int c, int d, int e, int f) {
    return PMPI_Allreduce(a, b, c, d, e, f);
}
int MPI_Reduce(const void* a, void* b, int c, int d, int e, int f, int g) {
    return PMPI_Reduce(a, b, c, d, e, f, g);
}
