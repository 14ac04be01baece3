/* traffic.c: when a connection is between two requests */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../cli/traffic.c"

#include <stdio.h>
#include <stdlib.h>

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
#define CHUNKED "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
#define UPGRADE "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define OK_CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

/* What passes in one direction, and whether the connection is between two requests then. */
struct step {
    char from; /* 'c'lient, 's'erver, 0: no more */
    const char *text;
    bool between;
};

static void pass(struct traffic *t, char from, const char *text, size_t len)
{
    char *copy = malloc(len + !len);

    assert_non_null(copy);
    memcpy(copy, text, len);
    if (from == 'c')
        traffic_request(t, copy, len);
    else
        traffic_response(t, copy, len);
    free(copy);
}

/* All at once, byte by byte, and cut once at every place. */
static void expect(const struct step *steps)
{
    for (const struct step *s = steps; s->from; s++) {
        size_t len = strlen(s->text);

        for (size_t cut = 0; cut <= len + 1; cut++) {
            struct traffic t;

            traffic_init(&t);
            for (const struct step *before = steps; before < s; before++)
                pass(&t, before->from, before->text, strlen(before->text));
            if (cut <= len) {
                pass(&t, s->from, s->text, cut);
                pass(&t, s->from, s->text + cut, len - cut);
            } else {
                for (size_t i = 0; i < len; i++)
                    pass(&t, s->from, s->text + i, 1);
            }
            if (traffic_is_between(&t) != s->between)
                fail_msg("cut at %zu: %d behind \"%s\"", cut, !s->between, s->text);
        }
    }
}

/* As expect(), and no place inside of a step is between two requests. */
static void expect_whole(const struct step *steps)
{
    struct traffic t;

    expect(steps);
    traffic_init(&t);
    for (const struct step *s = steps; s->from; s++)
        for (const char *p = s->text; *p; p++) {
            pass(&t, s->from, p, 1);
            if (traffic_is_between(&t) != (s->between && !p[1]))
                fail_msg("%zu bytes of \"%s\"", (size_t)(p - s->text) + 1, s->text);
        }
}

static void test_beginning(void **state)
{
    struct traffic t;

    traffic_init(&t);
    assert_true(traffic_is_between(&t));
    traffic_request(&t, "", 0);
    traffic_response(&t, "", 0);
    assert_true(traffic_is_between(&t));
}

static void test_keep_alive(void **state)
{
    expect_whole((struct step[]){{'c', GET, false},
                                 {'s', OK, true},
                                 {'c', POST, false},
                                 {'s', OK, true},
                                 {'c', GET, false},
                                 {'s', OK, true},
                                 {0}});
}

static void test_pipelined(void **state)
{
    expect((struct step[]){{'c', GET GET POST, false},
                           {'s', OK, false},
                           {'s', OK, false},
                           {'s', OK, true},
                           {'c', GET GET, false},
                           {'s', OK OK, true},
                           {0}});
}

static void test_empty_lines_before_a_request(void **state)
{
    expect((struct step[]){{'c', GET, false}, {'s', OK, true}, {'c', "\r\n", true}, {0}});
}

static void test_answer_before_the_request_is_complete(void **state)
{
    expect((struct step[]){{'c', "POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab", false},
                           {'s', OK, false},
                           {'c', "c", false},
                           {'c', "d", true},
                           {0}});
}

static void test_chunked(void **state)
{
    expect_whole((struct step[]){{'c', CHUNKED, false},
                                 {'c', "3;x=y\r\nabc\r\n", false},
                                 {'c', "0\r\nTrailer: a\r\n\r\n", false},
                                 {'s', OK_CHUNKED, false},
                                 {'s', "2\r\nok\r\n", false},
                                 {'s', "0\r\n", false},
                                 {'s', "\r\n", true},
                                 {0}});
}

static void test_head(void **state)
{
    static const struct step steps[] = {
        {'c', HEAD, false},
        {'s', "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n", true},
        {'c', HEAD, false},
        {'s', OK_CHUNKED, true},
        {'c', HEAD, false},
        {'s', "HTTP/1.1 200 OK\r\n\r\n", true},
        {'c', GET, false},
        {'s', OK, true},
        {0}};

    expect_whole(steps);
}

/* Which of the pipelined requests was the HEAD? */
static void test_head_among_others(void **state)
{
    static const char no_body[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";

    expect((struct step[]){{'c', GET HEAD GET HEAD, false},
                           {'s', OK, false},
                           {'s', no_body, false},
                           {'s', no_body, false},
                           {'s', "ok", false},
                           {'s', no_body, true},
                           {0}});
}

static void test_interim_answers(void **state)
{
    expect_whole((struct step[]){{'c',
                                  "POST / HTTP/1.1\r\nExpect: 100-continue\r\n"
                                  "Content-Length: 2\r\n\r\n",
                                  false},
                                 {'s', "HTTP/1.1 100 Continue\r\n\r\n", false},
                                 {'c', "ab", false},
                                 {'s', "HTTP/1.1 102 Processing\r\n\r\n", false},
                                 {'s', "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", false},
                                 {'s', OK, true},
                                 {'c', HEAD, false},
                                 {'s', "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", false},
                                 {'s', "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", true},
                                 {0}});
}

static void test_answers_without_body(void **state)
{
    static const char *const heads[] = {
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    };

    for (size_t i = 0; i < LENGTH(heads); i++)
        expect_whole((struct step[]){
            {'c', GET, false}, {'s', heads[i], true}, {'c', GET, false}, {'s', OK, true}, {0}});
}

/* It ends with the connection: there is no moment between. */
static void test_answer_until_close(void **state)
{
    static const char *const heads[] = {"HTTP/1.1 200 OK\r\n\r\n",
                                        "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n",
                                        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"};

    for (size_t i = 0; i < LENGTH(heads); i++)
        expect_whole((struct step[]){
            {'c', GET, false}, {'s', heads[i], false}, {'s', "text" OK, false}, {0}});
}

/* Whoever says so first: there is no further request, and no moment before it. */
static void test_close_is_the_last_one(void **state)
{
    static const char get_last[] = "GET / HTTP/1.1\r\nConnection: close\r\n\r\n";
    static const char ok_last[] =
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
    static const char old_get[] = "GET / HTTP/1.0\r\n\r\n";
    static const char old_ok[] = "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n";

    expect((struct step[]){
        {'c', get_last, false}, {'s', ok_last, false}, {'c', GET, false}, {'s', OK, false}, {0}});
    expect((struct step[]){{'c', get_last, false}, {'s', OK, false}, {'c', GET, false}, {0}});
    expect((struct step[]){{'c', GET, false}, {'s', ok_last, false}, {'c', GET, false}, {0}});
    expect((struct step[]){{'c', old_get, false}, {'s', OK, false}, {0}});
    expect((struct step[]){{'c', GET, false}, {'s', old_ok, false}, {0}});
}

static void test_keep_alive_of_http_1_0(void **state)
{
    expect_whole((struct step[]){
        {'c', "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false},
        {'s', "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", true},
        {'c', GET, false},
        {'s', OK, true},
        {0}});
}

/* From there on also what looks like HTTP is not. */
static void test_upgrade_accepted(void **state)
{
    static const char agreed[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
                                 "Upgrade: websocket\r\n\r\n";

    expect((struct step[]){{'c', UPGRADE, false},
                           {'s', agreed, false},
                           {'c', "\x81\x02hi", false},
                           {'s', "\x81\x02hi", false},
                           {'s', OK, false},
                           {0}});
    expect((struct step[]){{'c', UPGRADE, false},
                           {'s', agreed, false},
                           {'s', OK, false},
                           {'c', GET, false},
                           {'s', OK, false},
                           {0}});
}

static void test_upgrade_refused(void **state)
{
    expect_whole((struct step[]){
        {'c', UPGRADE, false}, {'s', OK, true}, {'c', GET, false}, {'s', OK, true}, {0}});
    /* and the next request comes at once */
    expect((struct step[]){
        {'c', UPGRADE GET UPGRADE, false}, {'s', OK, false}, {'s', OK OK, true}, {0}});
}

static void test_upgrade_with_body_refused(void **state)
{
    expect((struct step[]){{'c',
                            "POST / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
                            "Content-Length: 3\r\n\r\nabc",
                            false},
                           {'s', OK, true},
                           {'c', GET, false},
                           {'s', OK, true},
                           {0}});
}

/* A server that only offers another protocol. */
static void test_upgrade_offered(void **state)
{
    expect((struct step[]){{'c', GET, false},
                           {'s',
                            "HTTP/1.1 200 OK\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
                            "Content-Length: 2\r\n\r\nok",
                            true},
                           {'c', GET, false},
                           {'s', OK, true},
                           {0}});
}

static void test_connect(void **state)
{
    expect((struct step[]){{'c', "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", false},
                           {'s', "HTTP/1.1 200 OK\r\n\r\n", false},
                           {'s', "anything", false},
                           {0}});
}

/* Once it cannot be told any more, nothing makes it better. */
static void test_garbage(void **state)
{
    static const char *const requests[] = {
        "\x16\x03\x01\x02",
        "GET\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    };
    static const char *const answers[] = {
        "garbage",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
    };

    for (size_t i = 0; i < LENGTH(requests); i++)
        expect((struct step[]){
            {'c', requests[i], false}, {'s', OK, false}, {'c', GET, false}, {'s', OK, false}, {0}});
    for (size_t i = 0; i < LENGTH(answers); i++)
        expect((struct step[]){
            {'c', GET, false}, {'s', answers[i], false}, {'s', OK, false}, {'c', GET, false}, {0}});
}

static void test_answer_to_nothing(void **state)
{
    expect((struct step[]){{'s', "HTTP/1.1 408 ", false}, {0}});
    expect((struct step[]){{'s', OK, false}, {'c', GET, false}, {'s', OK, false}, {0}});
    expect((struct step[]){{'c', GET, false}, {'s', OK OK, false}, {'s', OK, false}, {0}});
}

/* As many as there are bits for HEAD; with one more it gives up. */
static void test_many_waiting(void **state)
{
    struct traffic t;

    for (unsigned most = WAITING_MAX; most <= WAITING_MAX + 1; most++) {
        traffic_init(&t);
        for (unsigned i = 1; i < most; i++)
            traffic_request(&t, GET, strlen(GET));
        traffic_request(&t, HEAD, strlen(HEAD));
        for (unsigned i = 1; i < most; i++) {
            traffic_response(&t, OK, strlen(OK));
            assert_false(traffic_is_between(&t));
        }
        traffic_response(&t, OK, strlen(OK) - 2);
        assert_int_equal(traffic_is_between(&t), most == WAITING_MAX);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beginning),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_pipelined),
        cmocka_unit_test(test_empty_lines_before_a_request),
        cmocka_unit_test(test_answer_before_the_request_is_complete),
        cmocka_unit_test(test_chunked),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_head_among_others),
        cmocka_unit_test(test_interim_answers),
        cmocka_unit_test(test_answers_without_body),
        cmocka_unit_test(test_answer_until_close),
        cmocka_unit_test(test_close_is_the_last_one),
        cmocka_unit_test(test_keep_alive_of_http_1_0),
        cmocka_unit_test(test_upgrade_accepted),
        cmocka_unit_test(test_upgrade_refused),
        cmocka_unit_test(test_upgrade_with_body_refused),
        cmocka_unit_test(test_upgrade_offered),
        cmocka_unit_test(test_connect),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_answer_to_nothing),
        cmocka_unit_test(test_many_waiting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
