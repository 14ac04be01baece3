/*
 * template_table.h - the templates there are, for people and as JSON
 */
#ifndef BANDOG_CLI_TEMPLATE_TABLE_H
#define BANDOG_CLI_TEMPLATE_TABLE_H

#include <stdbool.h>

#include "bandog/arena.h"

/* Returns an enum exit_status. */
int template_table(struct bd_arena *a, bool json);

#endif
