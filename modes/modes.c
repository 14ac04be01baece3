/*
 * modes.c - the list of modes
 */
#include "bandog/modes.h"

#include <string.h>

#include "modes_list.h"

const struct bd_mode *const bd_modes[] = {
    &mode_classic, &mode_streaming, &mode_serializing, &mode_cgi, &mode_http, &mode_static, NULL,
};

const struct bd_mode *bd_mode_named(const char *name)
{
    for (const struct bd_mode *const *m = bd_modes; *m; m++)
        if (strcmp((*m)->name, name) == 0)
            return *m;
    return NULL;
}
