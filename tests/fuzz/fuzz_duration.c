/* Any text as a duration: what is taken is printed in a form that means the same. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "bandog/duration.h"

static void check_printed(int64_t ns)
{
    char buf[BD_DURATION_BYTES];
    int64_t back;

    assert(strlen(bd_duration_print(buf, ns)) < sizeof(buf));
    assert(bd_duration_parse_units(buf, &back) == 0 && back == ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    int64_t ns, setting_ns;

    memcpy(text, data, size);
    text[size] = '\0';
    if (bd_duration_parse(text, &setting_ns) == 0)
        check_printed(setting_ns);
    if (bd_duration_parse_units(text, &ns) == 0) {
        check_printed(ns);
        assert(bd_duration_parse(text, &setting_ns) == 0 && setting_ns == ns);
    }
    free(text);

    if (size >= sizeof(ns)) {
        memcpy(&ns, data, sizeof(ns));
        check_printed(ns);
    }
    return 0;
}
