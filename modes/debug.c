/*
 * debug.c - see debug.h
 */
#include "debug.h"

#include "bandog/log.h"
#include "environ.h"
#include "field_groups.h"

static bool is_hidden(struct bd_slice name)
{
    return bd_slice_ieq(name, BD_SLICE("host")) ||
           bd_slice_ieq(name, BD_SLICE("transfer-encoding"));
}

void debug_headers(struct bd_exchange *x, const char *direction, const struct bd_field *field,
                   size_t fields)
{
    struct field_groups g;

    field_groups_make(&g, &x->arena, field, fields, is_hidden);
    for (size_t i = 0; i < g.groups; i++) {
        const struct field_group *group = &g.group[i];
        struct bd_slice name = environ_canonical(&x->arena, field[group->first].name);
        char *text = bd_arena_alloc(&x->arena, group->bytes + group->fields);
        struct bd_slice values = {text, 0};
        const char *line;

        values.len = (size_t)(field_group_put(text, &g, group, BD_SLICE(" ")) - text);
        values = bd_printable(&x->arena, values);
        line =
            bd_arena_printf(&x->arena, "[%s] %.*s=[%.*s]", direction, BD_ARG(name), BD_ARG(values));
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
