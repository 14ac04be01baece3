/*
 * Many clients of all kinds at once: patient, hasty, slow, rude, on several workers, then a drain
 * and a kill in the middle of it. The mode checks its contract, the sanitizers memory and threads,
 * and in the end nothing is left: no call, connection, descriptor.
 */
#include "server_run.h"

#define CROWD 6
#define VISITS 60

static char noise[200000];

/* What a call does is the first byte of its path. */

static void send_some(struct call *c)
{
    while (c->left > 0) {
        size_t n = c->left < 30000 ? c->left : 30000;

        c->left -= n;
        if (send_copy(c, noise, n) == BD_WAIT)
            return;
        if (c->n++ % 4 == 0) {
            later(c, 0, send_some);
            return;
        }
    }
    end(c);
}

static void begin_some(struct call *c)
{
    c->left = 150001;
    respond(c, 200, c->x->req.path.len % 2 ? -1 : 150001);
    send_some(c);
}

static void begin_and_cut(struct call *c)
{
    respond(c, 200, -1);
    send_copy(c, "cut", 3);
    later(c, 0, cut);
}

static void begin_echo(struct call *c)
{
    respond(c, 200, -1);
    if (c->body_over)
        end(c);
}

static char action(struct call *c)
{
    return c->x->req.path.len > 1 ? c->x->req.path.p[1] : 'r';
}

static void start(struct call *c)
{
    switch (action(c)) {
    case 't':
        later(c, 1 * MS, reply_ok);
        break;
    case 's':
        begin_some(c);
        break;
    case 'c':
        begin_and_cut(c);
        break;
    case 'e':
        begin_echo(c);
        break;
    case 'd':
        bd_set_deadline(c->x, 1 * MS, "limit", "1ms");
        break;
    case 'q': /* quiet until somebody else ends it */
        break;
    case 'b':
    case 'k':
        if (c->body_over)
            reply_ok(c);
        break;
    default:
        reply_ok(c);
    }
}

static enum bd_flow body(struct call *c, const char *buf, size_t len)
{
    switch (action(c)) {
    case 'e':
        if (bd_send(c->x, buf, len) == BD_GO)
            return BD_GO;
        c->relayed = true;
        return keep(c, buf, len);
    case 'b':
        reply_ok(c);
        return BD_GO;
    case 'k':
        later(c, 0, c->n++ < 3 ? give_back : reply_ok);
        return keep(c, buf, len);
    default:
        return BD_GO;
    }
}

static void body_end(struct call *c)
{
    if (action(c) == 'e')
        end(c);
    else if (action(c) == 'k')
        later(c, 0, reply_ok);
}

static void drained(struct call *c)
{
    if (action(c) == 'e')
        give_back(c);
    else
        send_some(c);
}

static const struct plan plan = {
    .start = start, .body = body, .body_end = body_end, .drain = drained};

/* A client; its luck is a number. */

struct client {
    struct run *run;
    pthread_t thread;
    unsigned luck;
    unsigned answers;
};

static unsigned draw(struct client *c, unsigned n)
{
    c->luck = c->luck * 1103515245 + 12345;
    return (c->luck >> 16) % n;
}

static size_t put_request(struct client *c, char *text, size_t room)
{
    static const char actions[] = "rrrttsscedbkbkq";
    char a = actions[draw(c, sizeof(actions) - 1)];
    size_t len, body_len = 1 + draw(c, 1 + (draw(c, 3) ? 100 : 30000));

    switch (draw(c, 4)) {
    case 0:
        return (size_t)snprintf(text, room, "GET /%c HTTP/1.%u\r\nHost: h\r\n\r\n", a, draw(c, 2));
    case 1:
        len = (size_t)snprintf(text, room,
                               "POST /%cx HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n%s\r\n", a,
                               body_len, draw(c, 3) ? "" : "Expect: 100-continue\r\n");
        break;
    case 2:
        return (size_t)snprintf(text, room,
                                "PUT /%c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                                "5\r\nhello\r\n%s\r\n\r\n",
                                a, draw(c, 10) ? "0" : "bad");
    default:
        return (size_t)snprintf(text, room, "HEAD /%c HTTP/1.1\r\nHost: h\r\n%s\r\n", a,
                                draw(c, 10) ? "" : "Bad field\r\n");
    }
    memset(text + len, 'b', body_len);
    return len + body_len;
}

/* Writes a few requests, all at once or in two parts, or not to the end. */
static void talk(struct client *c, int fd)
{
    static __thread char text[200000];
    size_t len = 0, part;

    for (unsigned n = 1 + draw(c, 4); n > 0; n--)
        len += put_request(c, text + len, sizeof(text) - len);
    part = draw(c, 3) ? len : len / 2;
    if (send(fd, text, part, MSG_NOSIGNAL) > 0 && draw(c, 4))
        send(fd, text + part, len - part, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void listen_a_while(struct client *c, int fd)
{
    struct timeval a_while = {.tv_usec = 3000};
    char buf[4096];

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &a_while, sizeof(a_while));
    for (unsigned n = draw(c, 60); n > 0; n--) {
        ssize_t got = recv(fd, buf, sizeof(buf), 0);

        if (got <= 0)
            break;
        c->answers += memcmp(buf, "HTTP/1.", 7) == 0;
    }
}

static void *visit(void *arg)
{
    struct client *c = arg;

    for (int i = 0; i < VISITS; i++) {
        int fd = connect_to(c->run->port, draw(c, 2) ? 4096 : 0);
        struct linger none = {.l_onoff = 1};

        if (fd < 0)
            break; /* it drains */
        talk(c, fd);
        if (!draw(c, 4))
            shutdown(fd, SHUT_WR);
        listen_a_while(c, fd);
        if (!draw(c, 3))
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
        close(fd);
    }
    return NULL;
}

static void come(struct client *crowd, struct run *r, unsigned seed)
{
    for (unsigned i = 0; i < CROWD; i++) {
        crowd[i] = (struct client){.run = r, .luck = seed * 1000 + i};
        assert_int_equal(pthread_create(&crowd[i].thread, NULL, visit, &crowd[i]), 0);
    }
}

static unsigned go_home(struct client *crowd)
{
    unsigned answers = 0;

    for (unsigned i = 0; i < CROWD; i++) {
        pthread_join(crowd[i].thread, NULL);
        answers += crowd[i].answers;
    }
    return answers;
}

static void check_crowd(const struct bd_server_conf *conf, bool leave_first, unsigned seed)
{
    struct client crowd[CROWD];
    struct run r = {.plan = &plan, .conf = *conf};
    unsigned answers;

    up(&r);
    come(crowd, &r, seed);
    if (leave_first)
        answers = go_home(crowd);
    else
        assert_trace("S*"); /* they are here */
    drain(&r);
    kill_calls(&r);
    if (!leave_first)
        answers = go_home(crowd);
    join(&r);
    assert_true(answers > 0);
}

static void test_crowd(void **state)
{
    const struct bd_server_conf conf = {.workers = 3};

    for (unsigned seed = 1; seed <= 3; seed++)
        check_crowd(&conf, true, seed);
}

static void test_crowd_with_limits(void **state)
{
    const struct bd_server_conf conf = {
        .workers = 2, .max_inflight = 3, .read_timeout_ns = 4 * MS, .write_timeout_ns = 3 * MS};

    for (unsigned seed = 10; seed <= 12; seed++)
        check_crowd(&conf, true, seed);
}

static void test_kill_in_a_crowd(void **state)
{
    const struct bd_server_conf conf = {.workers = 2};

    for (unsigned seed = 20; seed <= 24; seed++)
        check_crowd(&conf, false, seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_crowd_with_limits),
        cmocka_unit_test(test_kill_in_a_crowd),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
