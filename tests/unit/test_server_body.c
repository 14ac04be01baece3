/* A real server and the contract of modes (bandog/mode.h): bodies of requests. */
#include "server_writer.h"

static char *source;

static void answer_soon(struct call *c)
{
    later(c, 1 * MS, reply_ok);
}

static void reply_sum(struct call *c)
{
    char text[64];
    char *copy;

    assert(c->body_over);
    snprintf(text, sizeof(text), "%zu %u", c->body_bytes, (unsigned)c->body_sum);
    copy = bd_arena_copy(&c->x->arena, bd_slice_of(text));
    reply(c, 200, copy);
}

static void nothing(struct call *c)
{
}

static enum bd_flow take(struct call *c, const char *buf, size_t len)
{
    return BD_GO;
}

static enum bd_flow keep_a_while(struct call *c, const char *buf, size_t len)
{
    later(c, 0, give_back);
    return keep(c, buf, len);
}

static enum bd_flow keep_sometimes(struct call *c, const char *buf, size_t len)
{
    return c->n++ % 3 ? BD_GO : keep_a_while(c, buf, len);
}

static void check_upload(enum bd_flow (*body)(struct call *c, const char *buf, size_t len),
                         const char *bytes, size_t n, size_t chunk)
{
    const struct plan plan = {.start = nothing, .body = body, .body_end = reply_sum};
    struct run r = {.plan = &plan};
    struct writer w = {.buf = bytes, .len = n, .chunk = chunk};
    char text[128];
    struct peer p;

    up(&r);
    p = dial(&r);
    for (int i = 0; i < 2; i++) {
        if (chunk) {
            say(&p, CHUNKED("/"));
        } else {
            snprintf(text, sizeof(text),
                     "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", n);
            say(&p, text);
        }
        w.peer = &p;
        write_all(&w);
        snprintf(text, sizeof(text), "%zu %u", n, (unsigned)sum(0, bytes, n));
        expect(&p, 200, text);
    }
    assert_trace("S B E F200 S B E F200");
    hang_up(&p);
    down(&r);
}

static void test_upload(void **state)
{
    static const size_t sizes[] = {1, 65536, 1000001};
    static const size_t chunks[] = {0, 10, 5000, 100000};
    char *bytes = make_bytes(1000001);

    for (size_t i = 0; i < 3; i++) {
        for (size_t j = 0; j < 4; j++) {
            if (chunks[j] == 10 && sizes[i] > 100000)
                continue;
            check_upload(take, bytes, sizes[i], chunks[j]);
            check_upload(keep_sometimes, bytes, sizes[i], chunks[j]);
        }
    }
    check_upload(keep_a_while, bytes, 1000001, 0);
    check_upload(keep_a_while, bytes, 1000001, 5000);
    free(bytes);
}

static void test_empty_chunked_body(void **state)
{
    const struct plan plan = {.start = nothing, .body = take, .body_end = reply_sum};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, CHUNKED("/") "0\r\n\r\n" GET("/next"));
    expect(&p, 200, "0 0");
    assert_trace("S E F200 S");
    hang_up(&p);
    assert_trace("S E F200 S A0 F499!"); /* found by a probe */
    down(&r);
}

/* Absent: the body is read and dropped. */
static void test_mode_without_body(void **state)
{
    const struct plan plan = {.start = answer_soon};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, POST("/", "5") "hello" CHUNKED("/") "3\r\nabc\r\n0\r\n\r\n" GET("/"));
    for (int i = 0; i < 3; i++)
        expect(&p, 200, "ok");
    hang_up(&p);
    down(&r);
}

/* Echo: bytes lent to the mode are lent on to the engine. */

static void respond_unknown(struct call *c)
{
    respond(c, 200, -1);
}

static enum bd_flow echo(struct call *c, const char *buf, size_t len)
{
    if (bd_send(c->x, buf, len) == BD_GO)
        return BD_GO;
    c->relayed = true;
    return keep(c, buf, len);
}

static const struct plan echoes = {
    .start = respond_unknown, .body = echo, .body_end = end, .drain = give_back};

static void check_echo(const char *bytes, size_t n, size_t chunk, int rcvbuf)
{
    struct run r = {.plan = &echoes};
    struct writer w = {.buf = bytes, .len = n, .chunk = chunk};
    struct answer a;
    struct peer p, reader;
    char text[128];

    up(&r);
    p = dial_with(&r, rcvbuf);
    reader = p;
    w.peer = &p;
    snprintf(text, sizeof(text), "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", n);
    for (int i = 0; i < 2; i++) {
        say(&p, chunk ? CHUNKED("/") : text);
        start_writing(&w);
        a = hear_answer(&reader);
        pthread_join(w.thread, NULL);
        assert_true(a.whole);
        assert_int_equal(a.len, n);
        assert_memory_equal(a.body, bytes, n);
    }
    hang_up(&reader);
    down(&r);
}

static void test_echo(void **state)
{
    char *bytes = make_bytes(3000001);

    check_echo(bytes, 3000001, 0, 0);
    check_echo(bytes, 3000001, 40000, 0);
    check_echo(bytes, 3000001, 0, 8192);
    check_echo(bytes, 1000, 10, 0);
    free(bytes);
}

/* Ending early */

static enum bd_flow end_in_body(struct call *c, const char *buf, size_t len)
{
    reply_ok(c);
    return BD_GO;
}

static enum bd_flow keep_and_end(struct call *c, const char *buf, size_t len)
{
    later(c, 0, reply_ok);
    return keep(c, buf, len);
}

static const struct plan ends_in_start = {.start = reply_ok, .body = take};
static const struct plan ends_in_body = {.start = nothing, .body = end_in_body};
static const struct plan ends_while_kept = {.start = nothing, .body = keep_and_end};
static const struct plan ends_in_timer = {.start = answer_soon, .body = take};

static const struct plan *const early[] = {&ends_in_start, &ends_in_body, &ends_while_kept,
                                           &ends_in_timer};

/* What nobody reads is dropped, up to 256 KiB, and the next request is answered. */
static void test_rest_is_dropped(void **state)
{
    char *bytes = make_bytes(250000);

    for (size_t i = 0; i < 4; i++) {
        for (int chunk = 0; chunk <= 50000; chunk += 50000) {
            struct run r = {.plan = early[i]};
            struct writer w = {.buf = bytes, .len = 250000, .chunk = (size_t)chunk};
            struct peer p;

            up(&r);
            p = dial(&r);
            w.peer = &p;
            for (int j = 0; j < 3; j++) {
                say(&p, chunk ? CHUNKED("/") : POST("/", "250000"));
                write_all(&w);
                expect(&p, 200, "ok");
            }
            hang_up(&p);
            down(&r);
        }
    }
    free(bytes);
}

/* The mode keeps a piece and ends; the client reads no answer before it has written all. */
static void reply_large(struct call *c)
{
    size_t n = 20000000;
    char *large = bd_arena_alloc(&c->x->arena, n);

    memset(large, 'l', n);
    bd_reply(leave(c), 200, NULL, 0, large, n);
}

static enum bd_flow keep_and_reply_large(struct call *c, const char *buf, size_t len)
{
    later(c, 0, reply_large);
    return keep(c, buf, len);
}

static void test_rest_is_read_while_answer_leaves(void **state)
{
    const struct plan plan = {.start = nothing, .body = keep_and_reply_large};
    struct run r = {.plan = &plan};
    char *bytes = make_bytes(250000);
    int sndbuf = 4096;
    struct answer a;
    struct peer p;

    up(&r);
    p = dial(&r);
    setsockopt(p.fd, SOL_SOCKET, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
    say(&p, POST("/", "250000"));
    say_bytes(&p, bytes, 250000);
    a = hear_answer(&p);
    assert_true(a.whole);
    assert_int_equal(a.len, 20000000);
    hang_up(&p);
    down(&r);
    free(bytes);
}

/* More than that: the client has its answer before the connection is closed, and no reset. */
static void test_long_rest_is_not_read(void **state)
{
    enum { BYTES = 30000000 };
    char *bytes = make_bytes(BYTES);

    for (size_t i = 0; i < 4; i++) {
        for (int chunk = 0; chunk <= 50000; chunk += 50000) {
            struct run r = {.plan = early[i]};
            struct writer w = {.buf = bytes, .len = BYTES, .chunk = (size_t)chunk};
            struct peer p, reader;

            up(&r);
            p = reader = dial(&r);
            w.peer = &p;
            say(&p, chunk ? CHUNKED("/") : POST("/", "30000000"));
            start_writing(&w);
            expect(&reader, 200, "ok");
            while (hear(&reader))
                ;
            pthread_join(w.thread, NULL);
            hang_up(&reader);
            down(&r);
        }
    }
    free(bytes);
}

/* Bad bytes in a body nobody reads: the answer stands, the connection ends. */
static void test_bad_rest(void **state)
{
    for (size_t i = 0; i < 4; i++) {
        struct run r = {.plan = early[i]};
        struct peer p;

        up(&r);
        p = dial(&r);
        say(&p, CHUNKED("/") "3\r\nabc\r\n");
        expect(&p, 200, "ok");
        say(&p, "zz\r\n" GET("/"));
        expect_end(&p);
        assert_trace(i == 1 || i == 2 ? "S B F200" : "S*");
        hang_up(&p);
        down(&r);
    }
}

/* The answer begins before the body has come. */
static enum bd_flow end_at_once(struct call *c, const char *buf, size_t len)
{
    end(c);
    return BD_GO;
}

static void send_before(struct call *c)
{
    respond(c, 200, -1);
    send_copy(c, source, 100000);
}

static void test_end_of_begun_answer_in_body(void **state)
{
    const struct plan plan = {.start = send_before, .body = end_at_once, .drain = nothing};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial(&r);
    for (int i = 0; i < 2; i++) {
        struct answer a;

        say(&p, POST("/", "5"));
        assert_trace(i ? "S B F200 S" : "S");
        say(&p, "hello");
        a = hear_answer(&p);
        assert_true(a.whole);
        assert_int_equal(a.len, 100000);
    }
    hang_up(&p);
    down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_upload),
        cmocka_unit_test(test_empty_chunked_body),
        cmocka_unit_test(test_mode_without_body),
        cmocka_unit_test(test_echo),
        cmocka_unit_test(test_rest_is_dropped),
        cmocka_unit_test(test_rest_is_read_while_answer_leaves),
        cmocka_unit_test(test_long_rest_is_not_read),
        cmocka_unit_test(test_bad_rest),
        cmocka_unit_test(test_end_of_begun_answer_in_body),
    };
    int failed;

    source = make_bytes(100000);
    failed = cmocka_run_group_tests(tests, set_up, NULL);
    free(source);
    return failed;
}
