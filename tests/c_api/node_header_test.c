/* onecopy_node.h alone, for the strictest of compilers: C99 and C++98, pedantic, no warning. */
#include "onecopy/onecopy_node.h"

int onecopy_test_node_header(void);

int onecopy_test_node_header(void) {
    onecopy_node_options options = ONECOPY_NODE_OPTIONS;
    onecopy_status status = {0, ONECOPY_ANY_SOURCE, ONECOPY_ANY_TAG, 0, 0};
    enum onecopy_error error = ONECOPY_ERR_TRUNCATED;
    return (int)options.flags + status.error + (ONECOPY_NO_INDEX == 0) + (int)error;
}
