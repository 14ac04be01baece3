/*
 * meta.h - a request as the meta-variables of RFC 3875, 4.1
 */
#ifndef MODES_META_H
#define MODES_META_H

#include <stdbool.h>

#include "bandog/exchange.h"
#include "environ_rows.h"

#define META_ROWS_MAX 16 /* besides one for each field */

/* Adds those that the target gives, which holds no %00, and then the others. */
void meta_add_target(struct rows *r, struct bd_exchange *x);
void meta_add(struct rows *r, struct bd_exchange *x);

/* Would a program take this row of our own environment for a part of its request? */
bool meta_owns(const char *row);

#endif
