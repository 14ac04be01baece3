/*
 * message.c - see message.h
 */
#include "message.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

static struct message *message_of(llhttp_t *parser)
{
    return parser->data;
}

static struct bd_field *add_field(struct message *m)
{
    size_t used = m->fields + m->trailers;

    if (used == m->room) {
        size_t room = m->room * 2;
        struct bd_field *field = bd_arena_alloc(m->arena, room * sizeof(*field));

        memcpy(field, m->field, used * sizeof(*field));
        m->field = field;
        m->room = room;
    }
    m->field[used] = (struct bd_field){{NULL, 0}, {NULL, 0}};
    return &m->field[used];
}

static bool in_trailer(const struct message *m)
{
    return m->body != NULL;
}

static struct bd_field *newest(struct message *m)
{
    return &m->field[m->fields + m->trailers - 1];
}

static void extend(struct bd_slice *s, const char *at, size_t len)
{
    if (!s->p)
        s->p = at;
    assert(s->p + s->len == at); /* the head lies in one buffer, nothing is folded */
    s->len += len;
}

/* Where bytes of a trailer are kept; NULL when there are too many. */
static const char *keep(struct message *m, const char *at, size_t len)
{
    char *to;

    if (!m->text)
        m->text = bd_arena_alloc(m->arena, MESSAGE_TRAILER_BYTES);
    if (len > MESSAGE_TRAILER_BYTES - m->text_len)
        return NULL;
    to = m->text + m->text_len;
    memcpy(to, at, len);
    m->text_len += len;
    return to;
}

static int take(struct message *m, struct bd_slice *s, const char *at, size_t len)
{
    if (in_trailer(m)) {
        at = keep(m, at, len);
        if (!at) {
            llhttp_set_error_reason(&m->parser, "trailer too large");
            return HPE_USER;
        }
    }
    extend(s, at, len);
    return 0;
}

static int on_field_name(llhttp_t *parser, const char *at, size_t len)
{
    struct message *m = message_of(parser);
    bool first = in_trailer(m) ? m->trailers == 0 : m->fields == 0;

    if (m->value_begun || first) {
        add_field(m);
        m->value_begun = false;
        if (in_trailer(m)) {
            m->trailer = m->field + m->fields;
            m->trailers++;
        } else {
            m->fields++;
        }
    }
    return take(m, &newest(m)->name, at, len);
}

static int on_field_name_complete(llhttp_t *parser)
{
    message_of(parser)->value_begun = true;
    return 0;
}

static int on_field_value(llhttp_t *parser, const char *at, size_t len)
{
    struct message *m = message_of(parser);

    return take(m, &newest(m)->value, at, len);
}

static int on_field_value_complete(llhttp_t *parser)
{
    struct bd_slice *v = &newest(message_of(parser))->value;

    while (v->len > 0 && (v->p[v->len - 1] == ' ' || v->p[v->len - 1] == '\t'))
        v->len--;
    return 0;
}

static int on_reason(llhttp_t *parser, const char *at, size_t len)
{
    extend(&message_of(parser)->reason, at, len);
    return 0;
}

static int on_head_complete(llhttp_t *parser)
{
    parser->upgrade = 0; /* whoever owns the message decides about Upgrade, not the parser */
    return HPE_PAUSED;
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
    struct message *m = message_of(parser);

    memmove(m->body, at, len);
    m->body += len;
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED; /* what follows stays in the buffer */
}

static const llhttp_settings_t settings = {
    .on_status = on_reason,
    .on_header_field = on_field_name,
    .on_header_field_complete = on_field_name_complete,
    .on_header_value = on_field_value,
    .on_header_value_complete = on_field_value_complete,
    .on_headers_complete = on_head_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

void message_init(struct message *m, llhttp_type_t type, struct bd_arena *arena)
{
    llhttp_init(&m->parser, type, &settings);
    m->parser.data = m;
    m->arena = arena;
    m->reason = (struct bd_slice){NULL, 0};
    m->field = m->inl;
    m->trailer = NULL;
    m->fields = m->trailers = 0;
    m->room = MESSAGE_FIELDS_INLINE;
    m->value_begun = false;
    m->text = NULL;
    m->text_len = 0;
    m->body = NULL;
}

llhttp_errno_t message_feed(struct message *m, const char *buf, size_t len)
{
    return llhttp_execute(&m->parser, buf, len);
}

void message_slice_moved(struct bd_slice *s, const char *from, size_t len, const char *to)
{
    uintptr_t at = (uintptr_t)s->p, begin = (uintptr_t)from;

    if (at >= begin && at - begin <= len) /* an empty one may begin at the end */
        s->p = to + (at - begin);
}

void message_moved(struct message *m, const char *from, size_t len, const char *to)
{
    message_slice_moved(&m->reason, from, len, to);
    for (size_t i = 0; i < m->fields; i++) {
        message_slice_moved(&m->field[i].name, from, len, to);
        message_slice_moved(&m->field[i].value, from, len, to);
    }
}
