/*
 * emit.c - see emit.h
 */
#include "emit.h"

#include <assert.h>
#include <inttypes.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define DEPTH_MAX 32

enum level { MAP, LIST };

struct emit {
    yaml_emitter_t emitter;
    regex_t not_text;
    FILE *to;
    enum level level[DEPTH_MAX];
    size_t depth;
    const char *problem; /* the first; what comes after it is dropped */
};

/*
 * What a reader without quotes around it takes for something other than a text: the types of
 * YAML 1.1 (https://yaml.org/type/) and of the core schema of 1.2. For numbers this is generous, as
 * readers are: some of them know 1,000 or 190:20:30.15, and by the letter of 1.1 even 1.2.3 is a
 * float.
 */
static const char not_text[] = "^("
                               "~|null|y|yes|n|no|true|false|on|off|=|<<"
                               "|[-+]?[0-9.][0-9_.,:]*(e[-+]?[0-9]+)?"
                               "|[-+]?0[xob][0-9a-f_]+"
                               "|[-+]?[.](inf|nan)"
                               "|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([t \t].*)?"
                               ")$";

static int write_out(void *self, unsigned char *bytes, size_t len)
{
    struct emit *e = self;

    fwrite(bytes, 1, len, e->to);
    return 1;
}

/* `made`: whether there is an event; libyaml makes none of a text that is no UTF-8. */
static void put(struct emit *e, yaml_event_t *event, int made)
{
    if (!made) {
        if (!e->problem)
            e->problem = "a text is not valid UTF-8";
    } else if (e->problem) {
        yaml_event_delete(event);
    } else if (!yaml_emitter_emit(&e->emitter, event)) { /* which takes it in any case */
        e->problem = e->emitter.problem ? e->emitter.problem : "no memory";
    }
}

struct emit *emit_open(struct bd_arena *a, FILE *to)
{
    struct emit *e = bd_arena_alloc(a, sizeof(*e));
    yaml_event_t event;

    *e = (struct emit){.to = to};
    if (regcomp(&e->not_text, not_text, REG_EXTENDED | REG_ICASE | REG_NOSUB) ||
        !yaml_emitter_initialize(&e->emitter))
        abort(); /* no memory */
    yaml_emitter_set_output(&e->emitter, write_out, e);
    yaml_emitter_set_unicode(&e->emitter, 1);
    yaml_emitter_set_width(&e->emitter, -1);
    put(e, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING));
    return e;
}

int emit_close(struct emit *e, struct bd_error *err)
{
    yaml_event_t event;

    assert(e->depth == 0);
    put(e, &event, yaml_stream_end_event_initialize(&event));
    yaml_emitter_delete(&e->emitter);
    regfree(&e->not_text);
    return e->problem ? bd_fail(err, "cannot write YAML: %s", e->problem) : 0;
}

static void begin(struct emit *e, enum level level)
{
    yaml_event_t event;
    int made;

    if (e->depth == 0)
        put(e, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, false));
    assert(e->depth < DEPTH_MAX);
    e->level[e->depth++] = level;
    if (level == MAP)
        made =
            yaml_mapping_start_event_initialize(&event, NULL, NULL, true, YAML_BLOCK_MAPPING_STYLE);
    else
        made = yaml_sequence_start_event_initialize(&event, NULL, NULL, true,
                                                    YAML_BLOCK_SEQUENCE_STYLE);
    put(e, &event, made);
}

void emit_map(struct emit *e)
{
    begin(e, MAP);
}

void emit_list(struct emit *e)
{
    begin(e, LIST);
}

void emit_end(struct emit *e)
{
    yaml_event_t event;

    assert(e->depth > 0);
    e->depth--;
    put(e, &event,
        e->level[e->depth] == MAP ? yaml_mapping_end_event_initialize(&event)
                                  : yaml_sequence_end_event_initialize(&event));
    if (e->depth == 0)
        put(e, &event, yaml_document_end_event_initialize(&event, true));
}

static void put_scalar(struct emit *e, const char *text, yaml_scalar_style_t style)
{
    yaml_event_t event;

    assert(e->depth > 0);
    put(e, &event,
        yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
                                     (int)strlen(text), true, true, style));
}

/* What ends a line in YAML 1.1 only is among it: readers of 1.2 would not fold it away. */
static bool has_line_end(const char *text)
{
    return strchr(text, '\n') || strstr(text, "\xc2\x85") || strstr(text, "\xe2\x80\xa8") ||
           strstr(text, "\xe2\x80\xa9");
}

/* A plain style is a wish: libyaml quotes what would break the syntax, such as "a: b". */
void emit_text(struct emit *e, const char *text)
{
    bool quoted =
        *text == '\0' || has_line_end(text) || regexec(&e->not_text, text, 0, NULL, 0) == 0;

    put_scalar(e, text, quoted ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE);
}

void emit_int(struct emit *e, int64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%" PRId64, number);
    put_scalar(e, text, YAML_PLAIN_SCALAR_STYLE);
}

void emit_bool(struct emit *e, bool flag)
{
    put_scalar(e, flag ? "true" : "false", YAML_PLAIN_SCALAR_STYLE);
}

void emit_key_text(struct emit *e, const char *key, const char *text)
{
    emit_text(e, key);
    emit_text(e, text);
}

void emit_key_int(struct emit *e, const char *key, int64_t number)
{
    emit_text(e, key);
    emit_int(e, number);
}

void emit_key_bool(struct emit *e, const char *key, bool flag)
{
    emit_text(e, key);
    emit_bool(e, flag);
}

void emit_key_map(struct emit *e, const char *key)
{
    emit_text(e, key);
    emit_map(e);
}

void emit_key_list(struct emit *e, const char *key)
{
    emit_text(e, key);
    emit_list(e);
}

void emit_key_pairs(struct emit *e, const char *key, const struct pairs *p)
{
    if (p->count == 0)
        return;
    emit_key_map(e, key);
    for (size_t i = 0; i < p->count; i++)
        emit_key_text(e, p->row[i].name, p->row[i].value);
    emit_end(e);
}

void emit_key_texts(struct emit *e, const char *key, const struct texts *t)
{
    if (t->count == 0)
        return;
    emit_key_list(e, key);
    for (size_t i = 0; i < t->count; i++)
        emit_text(e, t->text[i]);
    emit_end(e);
}
