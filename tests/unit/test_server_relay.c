/* A real server: what only relays ask of it. Reasons, interim answers, trailers, tunnels. */
#include "server_acts.h"

#include <poll.h>

static bool hears(struct peer *p, const char *text)
{
    size_t n = strlen(text);

    if (!hear_bytes(p, n) || memcmp(p->buf + p->at, text, n) != 0) {
        print_error("%.*s\n", (int)(p->len - p->at), p->buf + p->at);
        return false;
    }
    p->at += n;
    return true;
}

/* The head up to its blank line is this; DATE stands for a Date. */
static void expect_head(struct peer *p, const char *text)
{
    struct answer a = hear_answer_to(p, "HEAD");
    char *date = strstr(a.head, "\r\nDate: ");

    if (strstr(text, "DATE\r\n")) {
        assert_non_null(date);
        memcpy(date + 2, "DATE", 4);
        memmove(date + 6, strstr(date + 2, "\r\n"), strlen(strstr(date + 2, "\r\n")) + 1);
    }
    assert_string_equal(a.head, text);
}

/* Heads */

static void respond_as_asked(struct call *c)
{
    static const struct bd_field field[] = {{BD_SLICE("A"), BD_SLICE("b\r\nc")},
                                            {BD_SLICE("date"), BD_SLICE("today")}};
    struct bd_exchange *x = c->x;

    if (is_path(c, "/reason"))
        bd_respond_with(x, 299, BD_SLICE("So it is"), field, 1, 0);
    else if (is_path(c, "/no-reason"))
        bd_respond_with(x, 200, BD_SLICE(""), NULL, 0, 0);
    else if (is_path(c, "/bad-reason"))
        bd_respond_with(x, 200, BD_SLICE("a\r\nB: c"), NULL, 0, 0);
    else if (is_path(c, "/date"))
        bd_respond(x, 200, field + 1, 1, 0);
    else if (is_path(c, "/no-length"))
        bd_respond(x, c->x->req.query.len ? 304 : 200, NULL, 0, BD_LENGTH_NONE);
    else
        bd_respond(x, c->x->req.query.len ? 304 : 200, NULL, 0, 17);
    end(c);
}

static void test_heads(void **state)
{
    const struct plan plan = {.start = respond_as_asked};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, GET("/reason") GET("/no-reason") GET("/bad-reason") GET("/date"));
    expect_head(&p, "HTTP/1.1 299 So it is\r\nA: b  c\r\nContent-Length: 0\r\nDATE\r\n\r\n");
    expect_head(&p, "HTTP/1.1 200 \r\nContent-Length: 0\r\nDATE\r\n\r\n");
    expect_head(&p, "HTTP/1.1 200 a  B: c\r\nContent-Length: 0\r\nDATE\r\n\r\n");
    expect_head(&p, "HTTP/1.1 200 OK\r\ndate: today\r\nContent-Length: 0\r\n\r\n");
    say(&p, "HEAD /no-length HTTP/1.1\r\nHost: h\r\n\r\n" GET("/no-length?304"));
    expect_head(&p, "HTTP/1.1 200 OK\r\nDATE\r\n\r\n");
    expect_head(&p, "HTTP/1.1 304 Not Modified\r\nDATE\r\n\r\n");
    say(&p, "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n" GET("/?304"));
    expect_head(&p, "HTTP/1.1 200 OK\r\nContent-Length: 17\r\nDATE\r\n\r\n");
    expect_head(&p, "HTTP/1.1 304 Not Modified\r\nContent-Length: 17\r\nDATE\r\n\r\n");
    hang_up(&p);
    down(&r);
}

/* Interim answers */

static void give_hints(struct call *c)
{
    static const struct bd_field link[] = {{BD_SLICE("Link"), BD_SLICE("x\ny")}};

    for (; c->n > 0; c->n--)
        bd_interim(c->x, 103, BD_SLICE("Early Hints"), link, 1);
    bd_interim(c->x, 102, BD_SLICE(""), NULL, 0);
    reply_ok(c);
}

static void give_one_hint(struct call *c)
{
    c->n = 1;
    give_hints(c);
}

static void give_many_hints(struct call *c)
{
    c->n = 100;
    give_hints(c);
}

#define HINT "HTTP/1.1 103 Early Hints\r\nLink: x y\r\n\r\n"

static void test_interim(void **state)
{
    const struct plan one = {.start = give_one_hint}, many = {.start = give_many_hints};
    struct run r = {.plan = &one};
    struct run s = {.plan = &many};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, GET("/") "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    assert_true(hears(&p, HINT "HTTP/1.1 102 \r\n\r\n"));
    expect(&p, 200, "ok");
    expect(&p, 200, "ok"); /* does not know them */
    hang_up(&p);
    down(&r);

    up(&s);
    p = dial(&s);
    say(&p, GET("/") GET("/"));
    for (int i = 0; i < 2; i++) {
        for (int n = 0; n < 16; n++)
            assert_true(hears(&p, HINT));
        expect(&p, 200, "ok");
    }
    hang_up(&p);
    down(&s);
}

/* A socket that takes nothing more, as earlier answers can leave it. */
static void stuff(struct call *c)
{
    static const char stuffing[4096] = "";
    struct pollfd p = {.fd = socket_of(c), .events = POLLOUT};
    bool taken;

    do {
        taken = false;
        while (send(p.fd, stuffing, sizeof(stuffing), MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
            taken = true;
        poll(&p, 1, 5);
    } while (taken);
}

static bool hear_stuffing(struct peer *p)
{
    while (p->at == p->len || p->buf[p->at] == '\0') {
        while (p->at < p->len && p->buf[p->at] == '\0')
            p->at++;
        if (p->at == p->len && !hear(p))
            return false;
    }
    return true;
}

static void stuff_and_hint(struct call *c)
{
    stuff(c);
    give_many_hints(c);
    note("N");
}

/* The first waits for the socket, the others are dropped. */
static void test_interim_for_slow_client(void **state)
{
    const struct plan plan = {.start = stuff_and_hint};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial_with(&r, 4096);
    say(&p, GET("/"));
    assert_trace("S N");
    assert_true(hear_stuffing(&p));
    assert_true(hears(&p, HINT));
    expect(&p, 200, "ok");
    hang_up(&p);
    down(&r);
}

/* 100 */

static void ask_for_body(struct call *c)
{
    assert(bd_expects_continue(c->x));
    bd_continue(c->x);
    assert(!bd_expects_continue(c->x));
    bd_continue(c->x);
}

static void ask_for_body_later(struct call *c)
{
    later(c, 0, ask_for_body);
}

static void reply_at_end(struct call *c)
{
    reply_ok(c);
}

#define EXPECTING "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"

static void test_continue(void **state)
{
    const struct plan plan = {.start = ask_for_body_later, .body = take, .body_end = reply_at_end};
    struct run r = {.plan = &plan, .mode.expects = true};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, EXPECTING);
    assert_true(hears(&p, "HTTP/1.1 100 Continue\r\n\r\n"));
    say(&p, "x");
    expect(&p, 200, "ok");
    hang_up(&p);
    down(&r);
}

/* The mode may as well answer without; nobody can tell then what comes: the connection ends. */
static void assert_and_reply(struct call *c)
{
    assert(bd_expects_continue(c->x));
    reply_ok(c);
}

static void test_no_continue(void **state)
{
    const struct plan plan = {.start = assert_and_reply, .body = take};
    struct run r = {.plan = &plan, .mode.expects = true};
    struct answer a;
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, EXPECTING);
    a = hear_answer(&p);
    assert_body(&a, "ok");
    assert_true(has(&a, "\r\nConnection: close\r\n"));
    expect_end(&p);
    hang_up(&p);
    down(&r);
}

/* The body came without it, so nobody waits any more. */
static enum bd_flow see_no_need(struct call *c, const char *buf, size_t len)
{
    assert(!bd_expects_continue(c->x));
    bd_continue(c->x);
    return BD_GO;
}

static void test_body_without_continue(void **state)
{
    const struct plan plan = {.start = nothing, .body = see_no_need, .body_end = reply_at_end};
    struct run r = {.plan = &plan, .mode.expects = true};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, EXPECTING "x");
    expect(&p, 200, "ok");
    hang_up(&p);
    down(&r);
}

/* Trailers */

static const struct bd_field trailer[] = {{BD_SLICE("T"), BD_SLICE("a\r\nb")},
                                          {BD_SLICE("U"), BD_SLICE("")}};

static void reply_with_trailers(struct call *c)
{
    bd_respond(c->x, 200, NULL, 0, is_path(c, "/length") ? 2 : BD_LENGTH_UNKNOWN);
    send_copy(c, "ok", 2);
    bd_trailer(c->x, trailer, 2);
    end(c);
}

static void begin_then_trailers(struct call *c)
{
    bd_trailer(c->x, trailer, 2);
    end(c);
}

static void reply_in_two_turns(struct call *c)
{
    if (is_path(c, "/turns")) {
        bd_respond(c->x, 200, NULL, 0, BD_LENGTH_UNKNOWN);
        send_copy(c, "ok", 2);
        later(c, 0, begin_then_trailers);
    } else {
        reply_with_trailers(c);
    }
}

static void test_trailers(void **state)
{
    const struct plan plan = {.start = reply_in_two_turns};
    struct run r = {.plan = &plan};
    struct answer a;
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, GET("/") GET("/turns"));
    for (int i = 0; i < 2; i++) {
        expect_head(&p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nDATE\r\n\r\n");
        assert_true(hears(&p, "2\r\nok\r\n0\r\nT: a  b\r\nU: \r\n\r\n"));
    }
    say(&p, GET("/length") "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n");
    expect(&p, 200, "ok");
    a = hear_answer_to(&p, "HEAD");
    assert_int_equal(a.status, 200);
    say(&p, "GET / HTTP/1.0\r\n\r\n");
    expect(&p, 200, "ok");
    expect_end(&p);
    hang_up(&p);
    down(&r);
}

static char seen_trailers[256];

static void tell_trailers(struct call *c)
{
    const struct bd_request *q = &c->x->req;
    size_t at = 0;

    seen_trailers[0] = '\0';
    for (size_t i = 0; i < q->trailers; i++)
        at += (size_t)snprintf(seen_trailers + at, sizeof(seen_trailers) - at, "%.*s: %.*s|",
                               (int)q->trailer[i].name.len, q->trailer[i].name.p,
                               (int)q->trailer[i].value.len, q->trailer[i].value.p);
    reply_ok(c);
}

static void test_request_trailers(void **state)
{
    const struct plan plan = {.start = nothing, .body = take, .body_end = tell_trailers};
    struct run r = {.plan = &plan};
    char *much = malloc(10000);
    struct peer p;

    assert_non_null(much);
    memset(much, 'v', 9999);
    much[9999] = '\0';
    up(&r);
    p = dial(&r);
    say(&p, CHUNKED("/") "2\r\nok\r\n0\r\nA: b c \r\nB:\r\n\r\n");
    expect(&p, 200, "ok");
    assert_string_equal(seen_trailers, "A: b c|B: |");
    say(&p, CHUNKED("/") "0\r\n\r\n");
    expect(&p, 200, "ok");
    assert_string_equal(seen_trailers, "");
    say(&p, CHUNKED("/") "0\r\nA: ");
    say(&p, much);
    say(&p, "\r\n\r\n");
    expect(&p, 400, "trailer too large\n");
    expect_end(&p);
    assert_trace("S B E F200 S E F200 S A1 F400");
    hang_up(&p);
    down(&r);
    free(much);
}

/* Who asks */

static void reply_address(struct call *c)
{
    struct bd_address *address = bd_arena_alloc(&c->x->arena, sizeof(*address));

    bd_peer_address(c->x, address);
    reply(c, 200, address->text);
}

static void test_peer_address(void **state)
{
    const struct plan plan = {.start = reply_address};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct timeval patience = {.tv_sec = PATIENCE_S};
    struct run r = {.plan = &plan};
    struct peer p;

    up(&r);
    p = dial(&r);
    say(&p, GET("/"));
    expect(&p, 200, "127.0.0.1");
    hang_up(&p);
    p = (struct peer){.fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    six.sin6_port = htons((uint16_t)r.port);
    if (p.fd >= 0 && connect(p.fd, (struct sockaddr *)&six, sizeof(six)) == 0) {
        setsockopt(p.fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
        say(&p, GET("/"));
        expect(&p, 200, "::1");
    }
    close(p.fd);
    free(p.buf);
    down(&r);
}

/* A client that does not read may leave an interim answer, a 100, a head and a piece waiting. */
static void pour_and_end(struct call *c)
{
    enum bd_flow flow = send_copy(c, noise, sizeof(noise));

    note("N");
    if (flow == BD_GO)
        end(c);
}

static void respond_then_pour(struct call *c)
{
    respond(c, 200, -1);
    later(c, 0, pour_and_end);
}

static void hint_and_continue(struct call *c)
{
    static const struct bd_field link[] = {{BD_SLICE("Link"), BD_SLICE("x\ny")}};

    stuff(c);
    bd_interim(c->x, 103, BD_SLICE("Early Hints"), link, 1);
    bd_continue(c->x);
    later(c, 0, respond_then_pour);
}

static void test_all_that_can_wait(void **state)
{
    const struct plan plan = {.start = hint_and_continue, .body = take, .drain = end};
    struct run r = {.plan = &plan, .mode.expects = true};
    struct answer a;
    struct peer p;

    up(&r);
    p = dial_with(&r, 4096);
    say(&p, EXPECTING);
    assert_trace("S N");
    assert_true(hear_stuffing(&p));
    assert_true(hears(&p, HINT));
    a = hear_answer(&p);
    if (a.status == 100)
        a = hear_answer(&p);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.len, sizeof(noise));
    hang_up(&p);
    down(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_interim),
        cmocka_unit_test(test_interim_for_slow_client),
        cmocka_unit_test(test_continue),
        cmocka_unit_test(test_no_continue),
        cmocka_unit_test(test_body_without_continue),
        cmocka_unit_test(test_trailers),
        cmocka_unit_test(test_request_trailers),
        cmocka_unit_test(test_peer_address),
        cmocka_unit_test(test_all_that_can_wait),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
