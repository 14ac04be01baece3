/*
 * emit.h - YAML that reads back as what was meant, whether as YAML 1.1 or 1.2
 *
 * libyaml writes, this says what needs quotes. Block style, two columns a level, one line for each
 * text however long it is. Each map or list that stands in no other is a document of its own and
 * begins with "---".
 */
#ifndef BANDOG_CLI_EMIT_H
#define BANDOG_CLI_EMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bandog/arena.h"
#include "bandog/error.h"
#include "texts.h"

struct emit; /* in the arena, but holds more: emit_close() it */

/* A stream that cannot be written to says so by ferror(3), nothing here does. */
struct emit *emit_open(struct bd_arena *a, FILE *to);

/* 0, or -1 with a sentence when a text was no UTF-8: then what was written is not complete. */
int emit_close(struct emit *e, struct bd_error *err);

void emit_map(struct emit *e);
void emit_list(struct emit *e);
void emit_end(struct emit *e); /* of the innermost map or list */

/* In a map a key, always a text, and its value come in turns. */
void emit_text(struct emit *e, const char *text);
void emit_int(struct emit *e, int64_t number);
void emit_bool(struct emit *e, bool flag);

/* A key and its value. */
void emit_key_text(struct emit *e, const char *key, const char *text);
void emit_key_int(struct emit *e, const char *key, int64_t number);
void emit_key_bool(struct emit *e, const char *key, bool flag);

/* A key and the beginning of its value, which emit_end() ends. */
void emit_key_map(struct emit *e, const char *key);
void emit_key_list(struct emit *e, const char *key);

/* A key and a map or list of texts. An empty one is left out, and so is its key. */
void emit_key_pairs(struct emit *e, const char *key, const struct pairs *p);
void emit_key_texts(struct emit *e, const char *key, const struct texts *t);

#endif
