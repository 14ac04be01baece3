/*
 * output.c - see output.h
 */
#include "output.h"

#include <stdio.h>
#include <string.h>

#include "tame.h"

static struct bd_queue all = {&all, &all}; /* that are being read */
static bool held;

int output_init(struct output *o, uv_loop_t *loop, uv_stdio_container_t *ret_stdio)
{
    int err = uv_pipe_init(loop, &o->pipe, 0);

    o->len = 0;
    o->is_cut = false;
    bd_queue_init(&o->of_all);
    ret_stdio->flags = (uv_stdio_flags)(UV_CREATE_PIPE | UV_WRITABLE_PIPE);
    ret_stdio->data.stream = (uv_stream_t *)&o->pipe;
    return err;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct output *o = (struct output *)handle;

    (void)suggested;
    *buf = uv_buf_init(o->line + o->len, (unsigned)(sizeof(o->line) - o->len));
}

static void on_pipe_closed(uv_handle_t *handle)
{
    struct output *o = (struct output *)handle;

    if (o->on_closed)
        o->on_closed(o);
}

void output_close(struct output *o)
{
    bd_queue_remove(&o->of_all);
    if (!uv_is_closing((uv_handle_t *)&o->pipe))
        uv_close((uv_handle_t *)&o->pipe, on_pipe_closed);
}

static void lines(struct output *o)
{
    char *at = o->line, *end;
    size_t left = o->len;

    while ((end = memchr(at, '\n', left))) {
        size_t len = (size_t)(end - at);

        if (len > 0 || !o->is_cut)
            o->on_line(o, (struct bd_slice){at, len > 0 && at[len - 1] == '\r' ? len - 1 : len});
        o->is_cut = false;
        left -= len + 1;
        at = end + 1;
    }
    if (left == sizeof(o->line)) {
        o->on_line(o, (struct bd_slice){at, left});
        o->is_cut = true;
        left = 0;
    }
    memmove(o->line, at, left);
    o->len = left;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct output *o = (struct output *)stream;

    (void)buf;
    if (n > 0) {
        o->len += (size_t)n;
        lines(o);
    } else if (n < 0) {
        if (o->len > 0)
            o->on_line(o, (struct bd_slice){o->line, o->len});
        o->len = 0;
        output_close(o);
    }
}

static void start(struct output *o)
{
    if (uv_read_start((uv_stream_t *)&o->pipe, on_alloc, on_read))
        output_close(o);
}

void output_start(struct output *o)
{
    bd_queue_push(&all, &o->of_all);
    if (!held)
        start(o);
}

void output_hold(bool on)
{
    struct bd_queue *q, *next;

    held = on;
    for (q = all.next; q != &all; q = next) {
        struct output *o = BD_CONTAINER(q, struct output, of_all);

        next = q->next;
        if (on)
            uv_read_stop((uv_stream_t *)&o->pipe);
        else
            start(o);
    }
}

bool output_is_held(void)
{
    return held;
}

void output_print(const char *name, int width, enum colour c, struct bd_slice line)
{
    FILE *out = say_out();

    fprintf(out, "%s%-*s |%s ", colour_on(c), width, name, colour_off());
    tame_put(out, line, TAME_TABS | TAME_COLOURS);
    fprintf(out, "%s\n", memchr(line.p, '\033', line.len) ? colour_off() : "");
}
