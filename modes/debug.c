/*
 * debug.c - see debug.h
 */
#include "debug.h"

#include "bandog/log.h"
#include "environ.h"

static bool is_first(const struct bd_field *field, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (bd_slice_ieq(field[j].name, field[i].name))
            return false;
    return true;
}

/* All values of field i's name, separated by a blank. */
static const char *join_values(struct bd_exchange *x, const struct bd_field *field, size_t fields,
                               size_t i)
{
    const char *text = "";

    for (size_t j = i; j < fields; j++) {
        struct bd_slice value = bd_printable(&x->arena, field[j].value);

        if (bd_slice_ieq(field[j].name, field[i].name))
            text = bd_arena_printf(&x->arena, "%s%s%.*s", text, j > i ? " " : "", BD_ARG(value));
    }
    return text;
}

void debug_headers(struct bd_exchange *x, const char *direction, const struct bd_field *field,
                   size_t fields)
{
    for (size_t i = 0; i < fields; i++) {
        struct bd_slice name = environ_canonical(&x->arena, field[i].name);
        const char *line;

        if (!is_first(field, i) || bd_slice_ieq(name, BD_SLICE("host")) ||
            bd_slice_ieq(name, BD_SLICE("transfer-encoding")))
            continue;
        line = bd_arena_printf(&x->arena, "[%s] %.*s=[%s]", direction, BD_ARG(name),
                               join_values(x, field, fields, i));
        bd_log_line(BD_LOG_STDOUT, false, NULL, line, strlen(line));
    }
}

void debug_target(struct bd_exchange *x)
{
    struct bd_slice query = bd_printable(&x->arena, x->req.query);
    struct bd_slice path = bd_printable(&x->arena, bd_request_path(x));

    bd_log("Query  %.*s", BD_ARG(query));
    bd_log("Path  %.*s", BD_ARG(path));
}

void debug_failure(struct bd_exchange *x, const char *error, struct bd_slice output)
{
    char *line = bd_arena_alloc(&x->arena, 4 + output.len);

    memcpy(line, "Out=", 4);
    if (output.len > 0)
        memcpy(line + 4, output.p, output.len);
    if (output.len > 0 && output.p[output.len - 1] == '\n')
        output.len--;
    bd_log("Success=false, Error=%s", error);
    bd_log_line(BD_LOG_STDERR, true, NULL, line, 4 + output.len);
}
