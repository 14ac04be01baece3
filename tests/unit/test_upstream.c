/* upstream.c: which URLs are good, and what is in them */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../watchdog/http/upstream.c"

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

static struct bd_upstream u;
static struct bd_error err;

static void forget(void)
{
    if (!u.place)
        return;
    if (!u.place->socket_path)
        free((char *)u.authority.p);
    free((char *)u.url);
    free((char *)u.base.p);
    free((char *)u.authorization.p);
    free(u.place->text);
    free(u.place);
    u = (struct bd_upstream){0};
}

static void parse(const char *url)
{
    forget();
    snprintf(err.text, sizeof(err.text), "nothing");
    if (bd_upstream_parse(&u, url, &err))
        fail_msg("%s %s", url, err.text);
}

static void assert_slice(struct bd_slice s, const char *text)
{
    if (!bd_slice_eq(s, bd_slice_of(text)))
        fail_msg("\"%.*s\" instead of \"%s\"", (int)s.len, s.p, text);
}

/* TCP */

static void test_tcp(void **state)
{
    static const struct {
        const char *given, *url, *authority, *base, *host, *port;
    } rows[] = {
        {"http://h", "http://h", "h", "", "h", "80"},
        {"http://h/", "http://h", "h", "", "h", "80"},
        {"http://h:8080", "http://h:8080", "h:8080", "", "h", "8080"},
        {"http://h:1/a/b", "http://h:1/a/b", "h:1", "/a/b", "h", "1"},
        {"http://h:65535/a//", "http://h:65535/a", "h:65535", "/a", "h", "65535"},
        {"http://h//a", "http://h//a", "h", "//a", "h", "80"},
        {"http://h/%7Ea;b=@c:d", "http://h/%7Ea;b=@c:d", "h", "/%7Ea;b=@c:d", "h", "80"},
        {"http://A-b_c.D.", "http://A-b_c.D.", "A-b_c.D.", "", "A-b_c.D.", "80"},
        {"http://u:p@h:5/a", "http://h:5/a", "h:5", "/a", "h", "5"},
        {"http://1.2.3", "http://1.2.3", "1.2.3", "", "1.2.3", "80"}, /* a name, it seems */
        {"http://h:0080", "http://h:0080", "h:0080", "", "h", "0080"},
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        parse(rows[i].given);
        assert_string_equal(u.url, rows[i].url);
        assert_slice(u.authority, rows[i].authority);
        assert_slice(u.base, rows[i].base);
        assert_string_equal(u.place->host, rows[i].host);
        assert_string_equal(u.place->port, rows[i].port);
        assert_null(u.place->socket_path);
        assert_int_equal(u.place->addresses, 0); /* to be looked up */
        if (!strchr(rows[i].given, '@'))
            assert_slice(u.authorization, "");
    }
}

static void assert_address(size_t i, const char *text, int port)
{
    const union place_address *a = &u.place->address[i];
    char ip[64];

    assert_true(i < u.place->addresses);
    if (a->any.sa_family == AF_INET)
        inet_ntop(AF_INET, &a->four.sin_addr, ip, sizeof(ip));
    else
        inet_ntop(AF_INET6, &a->six.sin6_addr, ip, sizeof(ip));
    assert_string_equal(ip, text);
    assert_int_equal(ntohs(a->any.sa_family == AF_INET ? a->four.sin_port : a->six.sin6_port),
                     port);
}

/* These need no name server. */
static void test_addresses(void **state)
{
    static const struct {
        const char *given, *authority, *ip;
        int port;
    } rows[] = {
        {"http://127.0.0.1:5000", "127.0.0.1:5000", "127.0.0.1", 5000},
        {"http://10.1.2.3", "10.1.2.3", "10.1.2.3", 80},
        {"http://[::1]:5000/a", "[::1]:5000", "::1", 5000},
        {"http://[::1]", "[::1]", "::1", 80},
        {"http://[2001:db8::A]:1", "[2001:db8::A]:1", "2001:db8::a", 1},
        {"http://u:p@[::ffff:1.2.3.4]:1", "[::ffff:1.2.3.4]:1", "::ffff:1.2.3.4", 1},
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        parse(rows[i].given);
        assert_slice(u.authority, rows[i].authority);
        assert_int_equal(u.place->addresses, 1);
        assert_address(0, rows[i].ip, rows[i].port);
    }
    parse("http://localhost:81/");
    assert_int_equal(u.place->addresses, 2);
    assert_address(0, "127.0.0.1", 81);
    assert_address(1, "::1", 81);
    assert_slice(u.authority, "localhost:81");
}

/* RFC 7617: the colon is there also without a password. */
static void test_authorization(void **state)
{
    static const struct {
        const char *given, *expected;
    } rows[] = {
        {"http://u:p@h", "Basic dTpw"},
        {"http://Aladdin:open%20sesame@h", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
        {"http://u:@h", "Basic dTo="},
        {"http://:p@h", "Basic OnA="},
        {"http://u:a@b:c@h", "Basic dTphQGI6Yw=="},
        {"http://u%40x:%ff%3A@h", "Basic dUB4Ov86"},
        {"http://u:~~~~@h", "Basic dTp+fn5+"},
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        parse(rows[i].given);
        assert_slice(u.authorization, rows[i].expected);
        assert_null(strchr(u.url, '@'));
    }
}

static void test_user_without_password(void **state)
{
    parse("http://user@h");
    assert_slice(u.authorization, "Basic dXNlcjo=");
}

/* Unix sockets */

static void test_unix(void **state)
{
    static const struct {
        const char *given, *url, *path, *base;
    } rows[] = {
        {"http+unix:///run/fn.sock", "http+unix:///run/fn.sock", "/run/fn.sock", ""},
        {"http+unix:///a", "http+unix:///a", "/a", ""},
        {"http+unix:///run/f%2Dn%25.sock", "http+unix:///run/f-n%.sock", "/run/f-n%.sock", ""},
        {"http+unix://%2Frun%2ffn.sock", "http+unix:///run/fn.sock", "/run/fn.sock", ""},
        {"http+unix://%2Frun%2Ffn.sock/", "http+unix:///run/fn.sock", "/run/fn.sock", ""},
        {"http+unix://%2Frun%2Ffn.sock/b/c%20/", "http+unix:///run/fn.sock/b/c%20", "/run/fn.sock",
         "/b/c%20"},
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        parse(rows[i].given);
        assert_string_equal(u.url, rows[i].url);
        assert_string_equal(u.place->socket_path, rows[i].path);
        assert_slice(u.base, rows[i].base);
        assert_slice(u.authority, "localhost");
        assert_slice(u.authorization, "");
        assert_int_equal(u.place->addresses, 0);
    }
}

static void test_length_of_socket_path(void **state)
{
    char url[200] = "http+unix:///";

    memset(url + 13, 'x', 106);
    parse(url); /* 107 bytes with the slash */
    assert_int_equal(strlen(u.place->socket_path), 107);
    forget();
    url[13 + 106] = 'x';
    assert_int_equal(bd_upstream_parse(&u, url, &err), -1);
    assert_string_equal(err.text,
                        "names a socket with too long a path; at most 107 bytes are possible");
}

/* Bad ones */

#define PORT "has no valid port; allowed: http://HOST:PORT with PORT 1 to 65535"
#define HOST "names no host; allowed: http://HOST:PORT"
#define SOCKET "names no socket; allowed: http+unix:///path/of/socket"
#define BYTES "has a blank, a control character or a byte that is not ASCII"
#define QUERY "has a query or fragment; the request's own is what is sent"
#define ESCAPE "has a bad escape in its user or password"
#define URL "is no URL that can be called; allowed: http://HOST:PORT or http+unix:///path/of/socket"
#define TLS                                                                                        \
    "asks for TLS, which this program does not speak; allowed: http://HOST:PORT or "               \
    "http+unix:///path/of/socket"

static const struct {
    const char *url, *error;
} bad[] = {
    {"", URL},
    {"h", URL},
    {"127.0.0.1:5000", URL},
    {"localhost:5000", URL},
    {"//h", URL},
    {"http:", URL},
    {"http:/h", URL},
    {"http:h", URL},
    {"ftp://h", URL},
    {"unix:///run/fn.sock", URL},
    {"http+unix:/run/fn.sock", URL},
    {"https://h", TLS},
    {"https://", TLS},
    {"http://", HOST},
    {"http:///a", HOST},
    {"http://:80", HOST},
    {"http://u@", HOST},
    {"http://u@:80", HOST},
    {"http://a<b", HOST},
    {"http://a%20b", HOST},
    {"http://h\"", HOST},
    {"http://[]", HOST},
    {"http://[::g]:80", HOST},
    {"http://[h]:80", HOST},
    {"http://h:", PORT},
    {"http://h:0", PORT},
    {"http://h:00", PORT},
    {"http://h:65536", PORT},
    {"http://h:99999999999999999999", PORT},
    {"http://h:-1", PORT},
    {"http://h:+1", PORT},
    {"http://h:80a", PORT},
    {"http://h:80:90", PORT},
    {"http://::1:80", PORT},
    {"http://[::1", PORT},
    {"http://[::1]x", PORT},
    {"http://[::1]:", PORT},
    {"http://u:%zz@h", ESCAPE},
    {"http://u:%0@h", ESCAPE},
    {"http://u%00:p@h", ESCAPE},
    {"http+unix://", SOCKET},
    {"http+unix:///", SOCKET},
    {"http+unix://run/fn.sock", SOCKET},
    {"http+unix:///run/%zz", SOCKET},
    {"http+unix:///run/%00", SOCKET},
    {"http+unix://%2F", SOCKET},
    {"http+unix://%2", SOCKET},
    {" http://h", BYTES},
    {"http://h ", BYTES},
    {"http://h/a b", BYTES},
    {"http://h\n", BYTES},
    {"http://h/\x7f", BYTES},
    {"http://\xc3\xa9", BYTES},
    {"http://h/?a", QUERY},
    {"http://h?", QUERY},
    {"http://h#", QUERY},
    {"http://h/a#b", QUERY},
    {"http+unix:///run/fn.sock?a", QUERY},
};

static void test_bad(void **state)
{
    for (size_t i = 0; i < LENGTH(bad); i++) {
        forget();
        if (bd_upstream_parse(&u, bad[i].url, &err) != -1)
            fail_msg("%s was taken", bad[i].url);
        if (strcmp(err.text, bad[i].error) != 0)
            fail_msg("%s %s", bad[i].url, err.text);
        assert_null(u.place);
    }
}

static void test_long_name(void **state)
{
    char url[300] = "http://";

    memset(url + 7, 'a', 253);
    parse(url);
    forget();
    url[7 + 253] = 'a';
    assert_int_equal(bd_upstream_parse(&u, url, &err), -1);
    assert_string_equal(err.text, HOST);
}

static int tear_down(void **state)
{
    forget();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp),           cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_authorization), cmocka_unit_test(test_user_without_password),
        cmocka_unit_test(test_unix),          cmocka_unit_test(test_length_of_socket_path),
        cmocka_unit_test(test_bad),           cmocka_unit_test(test_long_name),
    };

    return cmocka_run_group_tests(tests, NULL, tear_down);
}
