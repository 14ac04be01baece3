/*
 * engine.c - see engine.h
 */
#include "engine.h"

#include <inttypes.h>
#include <stdlib.h>

#include "archive.h"
#include "bandog/hash.h"
#include "blobs.h"
#include "process.h"

int engine_find(struct bd_arena *a, const char **ret, struct bd_error *err)
{
    static const char *const known[] = {"docker", "podman"};
    const char *chosen = getenv("BANDOG_ENGINE");

    if (chosen && *chosen) {
        *ret = process_find(a, chosen);
        return *ret ? 0 : bd_fail(err, "BANDOG_ENGINE is '%s', and that is no program", chosen);
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if ((*ret = process_find(a, known[i])))
            return 0;
    return bd_fail(err,
                   "neither docker nor podman was found in PATH: install one, or name one with "
                   "BANDOG_ENGINE; 'bandog dev' runs functions without");
}

int engine_watchdog_image(struct bd_arena *a, const char *engine, const char **ret_image,
                          struct bd_error *err)
{
    struct bd_slice program = blob_fwatchdog();
    struct process_output output;
    /* No key has been drawn, so the hash is the same each time. */
    const char *image = bd_arena_printf(a, "bandog-watchdog:%016" PRIx64, bd_hash(program));
    const char *const inspect[] = {engine, "image", "inspect", image, NULL};
    const char *const import[] = {engine, "import", "-", image, NULL};
    int status = process_run(a, &(struct process){.argv = inspect}, NULL, err);

    if (status > 0)
        status = process_run(
            a,
            &(struct process){.argv = import, .input = archive_of(a, "fwatchdog", 0755, program)},
            &output, err);
    if (status > 0)
        return bd_fail(err, "%s import %s: %s", engine, image, output.err.p);
    *ret_image = image;
    return status;
}
