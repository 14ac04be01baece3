/*
 * temp.c - see bandog/temp.h
 */
#include "bandog/temp.h"

#include <stdlib.h>

const char *bd_temp_dir(void)
{
    const char *dir = getenv("TMPDIR");

    return dir && *dir ? dir : "/tmp";
}
