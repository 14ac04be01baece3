/* A real server and the contract of modes (bandog/mode.h): answers and their framing. */
#include "server_writer.h"

static void nothing(struct call *c)
{
}

static enum bd_flow take(struct call *c, const char *buf, size_t len)
{
    return BD_GO;
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

/* Short answers */

static void test_reply_in_start(void **state)
{
    const struct plan plan = {.start = reply_ok};
    struct run r = {.plan = &plan};
    struct answer a;
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, GET("/"));
    a = hear_answer(&p);
    assert_int_equal(a.status, 200);
    assert_body(&a, "ok");
    assert_true(has(&a, "HTTP/1.1 200 OK\r\n"));
    assert_true(has(&a, "\r\nContent-Length: 2\r\n"));
    assert_true(has(&a, "\r\nDate: ") && has(&a, " GMT\r\n"));
    assert_false(has(&a, "Connection:"));
    assert_trace("S F200");
    assert_int_equal(trace.sent_bytes, 2);
    drain(&r); /* closes idle connections */
    expect_end(&p);
    hang_up(&p);
    join(&r);
}

static void answer_soon(struct call *c)
{
    later(c, 1 * MS, reply_ok);
}

static void test_answer_from_timer(void **state)
{
    const struct plan plan = {.start = answer_soon};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial(&r);
    for (int i = 0; i < 3; i++) {
        say(&p, GET("/"));
        expect(&p, 200, "ok");
    }
    assert_trace("S F200 S F200 S F200");
    hang_up(&p);
    down(&r);
}

static void answer_odd_fields(struct call *c)
{
    const struct bd_field field[] = {{BD_SLICE("X-Break"), BD_SLICE("a\r\nInjected: b\0c")},
                                     {BD_SLICE("X-Empty"), {NULL, 0}}};

    bd_respond(c->x, 599, field, 2, 0);
    end(c);
}

static void test_odd_fields(void **state)
{
    const struct plan plan = {.start = answer_odd_fields};
    struct run r = {.plan = &plan};
    struct answer a;
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, GET("/"));
    a = hear_answer(&p);
    assert_true(has(&a, "HTTP/1.1 599 status code 599\r\n"));
    assert_true(has(&a, "\r\nX-Break: a  Injected: b c\r\n"));
    assert_true(has(&a, "\r\nX-Empty: \r\n"));
    assert_true(has(&a, "\r\nContent-Length: 0\r\n"));
    hang_up(&p);
    down(&r);
}

/* Framing: the path says how many bytes, in pieces of which size. */

static size_t piece_bytes, answer_bytes;
static bool known_length;
static int answer_status;
static char *source;

static void send_on(struct call *c)
{
    assert(send_copy(c, "", 0) == BD_GO);
    while (c->left > 0) {
        size_t n = piece_bytes < c->left ? piece_bytes : c->left;
        const char *from = source + (answer_bytes - c->left);

        c->left -= n;
        if (send_copy(c, from, n) == BD_WAIT)
            return;
    }
    end(c);
}

static void send_in_start(struct call *c)
{
    c->left = answer_bytes;
    respond(c, answer_status, known_length ? (int64_t)answer_bytes : -1);
    send_on(c);
}

static void send_later_on(struct call *c)
{
    send_on(c);
}

/* The head leaves at the end of a turn, before the first byte of the body is known. */
static void send_in_timer(struct call *c)
{
    c->left = answer_bytes;
    respond(c, answer_status, known_length ? (int64_t)answer_bytes : -1);
    later(c, 1 * MS, send_later_on);
}

static void check_framing(const struct plan *plan, int status)
{
    static const size_t sizes[] = {0, 1, 2047, 2048, 2049, 65536, 300001};
    static const size_t pieces[] = {1, 1000, 70000};
    struct run r = {.plan = plan};
    struct peer p;
    char finished[8];

    snprintf(finished, sizeof(finished), "* F%d", status);
    answer_status = status;
    up(&r);
    p = dial(&r);
    for (size_t i = 0; i < 7 * 3 * 2; i++) {
        struct answer a;

        answer_bytes = sizes[i / 2 % 7];
        piece_bytes = pieces[i / 14];
        known_length = i % 2;
        if (piece_bytes == 1 && answer_bytes > 3000)
            continue;
        clear_trace();
        say(&p, GET("/"));
        a = hear_answer(&p);
        assert_trace(finished);
        assert_int_equal(a.status, status);
        assert_true(a.whole);
        assert_int_equal(a.len, status == 200 ? answer_bytes : 0);
        if (a.len)
            assert_memory_equal(a.body, source, a.len);
        if (status == 204 || (status == 304 && !known_length))
            assert_false(has(&a, "Content-Length"));
        if (status == 204 || status == 304)
            assert_false(has(&a, "Transfer-Encoding"));
        else if (known_length)
            assert_true(has(&a, "Content-Length"));
        assert_false(has(&a, "Connection"));
    }
    hang_up(&p);
    down(&r);
}

static const struct plan sends_in_start = {.start = send_in_start, .drain = send_on};
static const struct plan sends_in_timer = {.start = send_in_timer, .drain = send_on};

static void test_framing(void **state)
{
    check_framing(&sends_in_start, 200);
    check_framing(&sends_in_timer, 200);
}

static void test_statuses_without_body(void **state)
{
    check_framing(&sends_in_start, 204);
    check_framing(&sends_in_timer, 304);
}

static void test_head(void **state)
{
    struct run r = {.plan = &sends_in_start};
    struct peer p;

    answer_status = 200;
    piece_bytes = 1000;
    up(&r);
    p = dial(&r);
    for (int i = 0; i < 6; i++) {
        struct answer a;

        answer_bytes = (size_t[]){0, 100, 5000}[i / 2];
        known_length = i % 2;
        clear_trace();
        say(&p, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
        a = hear_answer_to(&p, "HEAD");
        assert_trace("S F200");
        assert_int_equal(a.status, 200);
        if (known_length) {
            char field[48];

            snprintf(field, sizeof(field), "\r\nContent-Length: %zu\r\n", answer_bytes);
            assert_true(has(&a, field));
        }
        assert_int_equal(p.len, p.at); /* the next answer is not mistaken for a body */
    }
    hang_up(&p);
    down(&r);
}

static void check_old_client(const char *request, const char *field, bool kept)
{
    struct run r = {.plan = &sends_in_start};
    struct answer a;
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, request);
    a = hear_answer(&p);
    assert_true(strncmp(a.head, "HTTP/1.0 200 OK\r\n", 17) == 0);
    assert_int_equal(a.len, answer_bytes);
    assert_memory_equal(a.body, source, a.len);
    assert_false(has(&a, "Transfer-Encoding"));
    assert_true(has(&a, field));
    if (kept) {
        say(&p, request);
        a = hear_answer(&p);
        assert_true(a.whole);
    } else if (!p.end) {
        expect_end(&p);
    }
    hang_up(&p);
    down(&r);
}

static void test_http_1_0(void **state)
{
    static const char plain[] = "GET / HTTP/1.0\r\n\r\n";
    static const char alive[] = "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";

    answer_status = 200;
    piece_bytes = 1000;
    for (int i = 0; i < 2; i++) {
        answer_bytes = 5000;
        known_length = i;
        check_old_client(plain, "\r\nConnection: close\r\n", false);
        check_old_client(alive, i ? "\r\nConnection: keep-alive\r\n" : "\r\nConnection: close\r\n",
                         i);
        answer_bytes = 10; /* short: the length is known in time */
        check_old_client(alive, "\r\nConnection: keep-alive\r\n", true);
    }
}

static void test_slow_reader(void **state)
{
    struct run r = {.plan = &sends_in_start};
    struct answer a;
    struct peer p;

    answer_status = 200;
    answer_bytes = 300001;
    piece_bytes = 100000;
    for (int i = 0; i < 2; i++) {
        known_length = i;
        up(&r);
        p = dial_with(&r, 4096);
        say(&p, GET("/"));
        assert_trace("S*");
        a = hear_answer(&p);
        assert_true(a.whole);
        assert_int_equal(a.len, answer_bytes);
        assert_memory_equal(a.body, source, a.len);
        hang_up(&p);
        down(&r);
    }
}

static void reply_large(struct call *c)
{
    char *large = bd_arena_alloc(&c->x->arena, answer_bytes);

    memcpy(large, source, answer_bytes);
    bd_reply(leave(c), 200, NULL, 0, large, answer_bytes);
}

/* All of it is queued when the mode ends; the connection is used on. */
static void test_large_reply(void **state)
{
    const struct plan plan = {.start = reply_large};
    struct run r = {.plan = &plan};
    struct peer p;

    answer_bytes = 20000000;
    free(source);
    source = make_bytes(answer_bytes);
    up(&r);
    p = dial_with(&r, 4096);
    say(&p, GET("/"));
    say(&p, GET("/"));
    for (int i = 0; i < 2; i++) {
        struct answer a = hear_answer(&p);

        assert_true(a.whole);
        assert_int_equal(a.len, answer_bytes);
        assert_memory_equal(a.body, source, a.len);
    }
    assert_trace("S F200 S F200");
    hang_up(&p);
    down(&r);
}

/* Cut */

static void send_and_cut(struct call *c)
{
    respond(c, 200, known_length ? 10 : -1);
    assert(send_copy(c, "abc", 3) == BD_GO);
    cut(c);
}

static void cut_later(struct call *c)
{
    respond(c, 200, known_length ? 10 : -1);
    assert(send_copy(c, "abc", 3) == BD_GO);
    later(c, 1 * MS, cut);
}

static void check_cut(void (*start)(struct call *c), const char *request)
{
    const struct plan plan = {.start = start};
    struct run r = {.plan = &plan};
    struct answer a;
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, request);
    a = hear_answer(&p);
    assert_true(a.status == 200 || p.end == -ECONNRESET);
    assert_false(a.whole);
    assert_false(hear(&p));
    assert_trace("S F200!");
    assert_string_equal(trace.reason, "cut by the test");
    assert_int_equal(trace.sent_bytes, 3);
    hang_up(&p);
    down(&r);
}

static void test_cut(void **state)
{
    for (int i = 0; i < 2; i++) {
        known_length = i;
        check_cut(send_and_cut, GET("/"));
        check_cut(cut_later, GET("/"));
        check_cut(send_and_cut, "GET / HTTP/1.0\r\n\r\n");
        check_cut(cut_later, "GET / HTTP/1.0\r\n\r\n");
    }
}

/* Requests behind each other */

static void echo_target(struct call *c)
{
    reply(c, 200, bd_arena_copy(&c->x->arena, c->x->req.target));
}

static void echo_later(struct call *c)
{
    if (c->x->req.target.p[1] % 3 == 0)
        later(c, 0, echo_target);
    else
        echo_target(c);
}

static void expect_targets(struct peer *p, int n)
{
    char path[16];

    for (int i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "/%d", i);
        expect(p, 200, path);
    }
}

static size_t put_requests(char *text, size_t room, int n)
{
    size_t len = 0;

    for (int i = 0; i < n; i++)
        len +=
            (size_t)snprintf(text + len, room - len,
                             i % 2 ? "POST /%d HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc"
                                   : "GET /%d HTTP/1.1\r\nHost: h\r\n\r\n",
                             i);
    return len;
}

static void test_pipeline(void **state)
{
    const struct plan plan = {.start = echo_later, .body = take};
    struct run r = {.plan = &plan};
    char *text = malloc(400000);
    size_t len = put_requests(text, 400000, 5000);
    struct writer w = {.buf = text, .len = len};
    struct peer p, reader;

    up(&r);
    p = reader = dial(&r);
    w.peer = &p;
    start_writing(&w);
    expect_targets(&reader, 5000);
    pthread_join(w.thread, NULL);
    hang_up(&reader);
    down(&r);
    free(text);
}

static void test_byte_by_byte(void **state)
{
    const struct plan plan = {.start = echo_later, .body = take};
    struct run r = {.plan = &plan};
    char text[2000];
    size_t len = put_requests(text, sizeof(text), 10);
    struct peer p;

    up(&r);
    p = dial(&r);
    for (size_t i = 0; i < len; i++)
        assert_true(say_bytes(&p, text + i, 1));
    expect_targets(&p, 10);
    hang_up(&p);
    down(&r);
}

/* A head larger than a block, then a body, then a usual request. */
static void test_large_heads(void **state)
{
    const struct plan plan = {.start = nothing, .body = take, .body_end = reply_sum};
    struct run r = {.plan = &plan};
    size_t n = 1000000;
    char *text = malloc(n + 100);
    struct peer p;

    memset(text, 'v', n + 100);
    up(&r);
    p = dial(&r);
    for (size_t bytes = 30000; bytes <= n; bytes = bytes * 3 / 2) {
        say(&p, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nLarge: ");
        say_bytes(&p, text, bytes);
        say(&p, "\r\n\r\nhello" CHUNKED("/") "1\r\nx\r\n0\r\n\r\n");
        expect(&p, 200, "5 99162322");
        expect(&p, 200, "1 120");
    }
    hang_up(&p);
    down(&r);
    free(text);
}

/* The first block ends just behind the method, so the target begins at the end of the bytes. */
static void test_head_grows_before_target(void **state)
{
    const struct plan plan = {.start = echo_target};
    struct run r = {.plan = &plan};
    char *lines = malloc(BD_BLOCK_BYTES);
    struct peer p;

    for (size_t i = 0; i < BD_BLOCK_BYTES; i++)
        lines[i] = i % 2 ? '\n' : '\r';
    memcpy(lines + BD_BLOCK_BYTES - 4, "GET ", 4);
    up(&r);
    p = dial(&r);
    say_bytes(&p, lines, BD_BLOCK_BYTES);
    say(&p, "/target HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(&p, 200, "/target");
    hang_up(&p);
    down(&r);
    free(lines);
}

/* A client that says close in the middle of its pipeline. */
static void test_connection_close(void **state)
{
    const struct plan plan = {.start = echo_later, .body = take};
    struct run r = {.plan = &plan};
    struct answer a;
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, GET("/0") "GET /1 HTTP/1.1\r\nHost: h\r\nConnection: x, Close\r\n\r\n" GET("/2"));
    expect(&p, 200, "/0");
    a = hear_answer(&p);
    assert_body(&a, "/1");
    assert_true(has(&a, "\r\nConnection: close\r\n"));
    expect_end(&p);
    hang_up(&p);
    down(&r);
}

/* 100 Continue */

#define EXPECTING(length)                                                                          \
    "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: " length "\r\n\r\n"

static void test_continue(void **state)
{
    const struct plan plan = {.start = nothing, .body = take, .body_end = reply_sum};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial(&r);
    for (int i = 0; i < 2; i++) {
        say(&p, EXPECTING("1"));
        assert_int_equal(hear_answer(&p).status, 100);
        say(&p, "x");
        expect(&p, 200, "1 120");
    }
    hang_up(&p);
    down(&r);
}

static const struct plan deaf = {.start = reply_ok, .body = take};

/* The client did not wait for it; or it gets the answer instead, and nobody knows what follows. */
static void test_no_continue(void **state)
{
    struct run r = {.plan = &deaf};
    struct answer a;
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, EXPECTING("5"));
    a = hear_answer(&p);
    assert_body(&a, "ok");
    assert_true(has(&a, "\r\nConnection: close\r\n"));
    expect_end(&p);
    hang_up(&p);
    down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reply_in_start),
        cmocka_unit_test(test_answer_from_timer),
        cmocka_unit_test(test_odd_fields),
        cmocka_unit_test(test_framing),
        cmocka_unit_test(test_statuses_without_body),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_http_1_0),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_large_reply),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_pipeline),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_large_heads),
        cmocka_unit_test(test_head_grows_before_target),
        cmocka_unit_test(test_connection_close),
        cmocka_unit_test(test_continue),
        cmocka_unit_test(test_no_continue),
    };
    int failed;

    source = make_bytes(300001);
    failed = cmocka_run_group_tests(tests, set_up, NULL);
    free(source);
    return failed;
}
