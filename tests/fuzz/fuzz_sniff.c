/* Any body has a type, and only its first bytes decide. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bandog/sniff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t first = size < BD_SNIFF_BYTES ? size : BD_SNIFF_BYTES;
    char *exact = malloc(first); /* ends where AddressSanitizer sees it */
    const char *type;

    if (first)
        memcpy(exact, data, first);
    type = bd_sniff(exact, first);
    assert(type && strchr(type, '/'));
    assert(type == bd_sniff((const char *)data, size));
    free(exact);
    return 0;
}
