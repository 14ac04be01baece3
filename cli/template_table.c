/*
 * template_table.c - see template_table.h
 */
#include "template_table.h"

#include "say.h"
#include "table.h"
#include "template.h"

int template_table(struct bd_arena *a, bool json)
{
    static const char *const columns[] = {"name",        "language", "mode",
                                          "description", "source",   NULL};
    struct table table = {.arena = a, .column = columns};
    struct template *t;
    size_t count;

    template_list(a, &t, &count);
    for (size_t i = 0; i < count; i++) {
        const char **row = table_add(&table);

        row[0] = t[i].name;
        row[1] = t[i].language;
        row[2] = template_mode(a, &t[i]);
        row[3] = t[i].description;
        row[4] = t[i].folder ? bd_arena_printf(a, "./%s", t[i].folder) : "bandog";
    }
    if (json)
        table_print_json(&table);
    else
        table_print(&table, 4);
    return EXIT_OK;
}
