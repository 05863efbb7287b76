/* onecopy_collectives.h alone, for the strictest of compilers: C99 and C++98, pedantic, no warning.
 */
#include "onecopy/onecopy_collectives.h"

int onecopy_test_collectives_header(onecopy_comm* comm, onecopy_operation* operation);

int onecopy_test_collectives_header(onecopy_comm* comm, onecopy_operation* operation) {
    onecopy_request* request = NULL;
    return onecopy_ibarrier(comm, &request) +
           onecopy_allreduce(comm, NULL, NULL, 0, ONECOPY_SUM | ONECOPY_FLOAT64) +
           onecopy_scan_by(comm, NULL, NULL, 0, operation, 1, NULL);
}
