/* metrics.c and shortest.c: the text of a scrape, and scraping while others count */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>

#include "../../watchdog/base/metrics.c"
#include "../../watchdog/base/shortest.c"

#define MS INT64_C(1000000)
#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

/* The lines of a scrape that are about calls; to be freed. */
static char *scrape(struct bd_metrics *const *all, size_t n)
{
    const struct bd_scrape s = {.worker = all, .workers = n, .restarts = -1};
    char *text, *keep, *to_keep, *line, *rest;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    assert_non_null(to);
    bd_metrics_print(to, &s);
    fclose(to);
    keep = to_keep = calloc(1, len + 1);
    for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (strstr(line, "http_"))
            to_keep += snprintf(to_keep, len, "%s\n", line);
    free(text);
    return keep;
}

static void assert_scrape(struct bd_metrics *const *all, size_t n, const char *expected)
{
    char *text = scrape(all, n);

    assert_string_equal(text, expected);
    free(text);
}

static void test_before_the_first_event(void **state)
{
    struct bd_metrics *m = bd_metrics_new();

    assert_scrape(&m, 1,
                  "# HELP http_requests_in_flight total HTTP requests in-flight\n"
                  "# TYPE http_requests_in_flight gauge\n"
                  "http_requests_in_flight 0\n");
    bd_metrics_free(m);
    bd_metrics_free(NULL);
}

static void test_whole_text(void **state)
{
    struct bd_metrics *all[2] = {bd_metrics_new(), bd_metrics_new()};

    bd_metrics_begin(all[0]);
    bd_metrics_begin(all[1]);
    bd_metrics_begin(all[1]);
    bd_metrics_end(all[1]);
    bd_metrics_count(all[0], 200, BD_SLICE("POST"), 6647554);
    bd_metrics_count(all[1], 200, BD_SLICE("GET"), 5 * MS);
    bd_metrics_count(all[0], 200, BD_SLICE("GET"), 5 * MS + 1);
    bd_metrics_count(all[1], 200, BD_SLICE("GET"), 90000 * MS);
    bd_metrics_count(all[1], 429, BD_SLICE("BREW"), 0);
    assert_scrape(
        all, 2,
        "# HELP http_request_duration_seconds Seconds spent serving HTTP requests.\n"
        "# TYPE http_request_duration_seconds histogram\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"get\",le=\"0.005\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"get\",le=\"0.01\"} 2\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"get\",le=\"0.025\"} 2\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"get\",le=\"0.05\"} 2\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"get\",le=\"0.1\"} 2\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"get\",le=\"0.25\"} 2\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"get\",le=\"0.5\"} 2\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"get\",le=\"1\"} 2\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"get\",le=\"2.5\"} 2\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"get\",le=\"5\"} 2\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"get\",le=\"10\"} 2\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"get\",le=\"+Inf\"} 3\n"
        "http_request_duration_seconds_sum{code=\"200\",method=\"get\"} 90.010000001\n"
        "http_request_duration_seconds_count{code=\"200\",method=\"get\"} 3\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"post\",le=\"0.005\"} 0\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"post\",le=\"0.01\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"post\",le=\"0.025\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"post\",le=\"0.05\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"post\",le=\"0.1\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"post\",le=\"0.25\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"post\",le=\"0.5\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"post\",le=\"1\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"post\",le=\"2.5\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"post\",le=\"5\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"post\",le=\"10\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"200\",method=\"post\",le=\"+Inf\"} 1\n"
        "http_request_duration_seconds_sum{code=\"200\",method=\"post\"} 0.006647554\n"
        "http_request_duration_seconds_count{code=\"200\",method=\"post\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"429\",method=\"unknown\",le=\"0.005\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"429\",method=\"unknown\",le=\"0.01\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"429\",method=\"unknown\",le=\"0.025\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"429\",method=\"unknown\",le=\"0.05\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"429\",method=\"unknown\",le=\"0.1\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"429\",method=\"unknown\",le=\"0.25\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"429\",method=\"unknown\",le=\"0.5\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"429\",method=\"unknown\",le=\"1\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"429\",method=\"unknown\",le=\"2.5\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"429\",method=\"unknown\",le=\"5\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"429\",method=\"unknown\",le=\"10\"} 1\n"
        "http_request_duration_seconds_bucket{code=\"429\",method=\"unknown\",le=\"+Inf\"} 1\n"
        "http_request_duration_seconds_sum{code=\"429\",method=\"unknown\"} 0\n"
        "http_request_duration_seconds_count{code=\"429\",method=\"unknown\"} 1\n"
        "# HELP http_requests_in_flight total HTTP requests in-flight\n"
        "# TYPE http_requests_in_flight gauge\n"
        "http_requests_in_flight 2\n"
        "# HELP http_requests_total total HTTP requests processed\n"
        "# TYPE http_requests_total counter\n"
        "http_requests_total{code=\"200\",method=\"get\"} 3\n"
        "http_requests_total{code=\"200\",method=\"post\"} 1\n"
        "http_requests_total{code=\"429\",method=\"unknown\"} 1\n");
    bd_metrics_free(all[0]);
    bd_metrics_free(all[1]);
}

static void test_method_labels(void **state)
{
    static const struct {
        struct bd_slice method;
        const char *label;
    } rows[] = {
        {BD_SLICE("GET"), "get"},          {BD_SLICE("get"), "get"},
        {BD_SLICE("Get"), "unknown"},      {BD_SLICE("gET"), "unknown"},
        {BD_SLICE("PUT"), "put"},          {BD_SLICE("put"), "put"},
        {BD_SLICE("HEAD"), "head"},        {BD_SLICE("POST"), "post"},
        {BD_SLICE("post"), "post"},        {BD_SLICE("DELETE"), "delete"},
        {BD_SLICE("CONNECT"), "connect"},  {BD_SLICE("OPTIONS"), "options"},
        {BD_SLICE("NOTIFY"), "notify"},    {BD_SLICE("TRACE"), "trace"},
        {BD_SLICE("PATCH"), "patch"},      {BD_SLICE("unknown"), "unknown"},
        {BD_SLICE("PROPFIND"), "unknown"}, {BD_SLICE("GETS"), "unknown"},
        {BD_SLICE("GE"), "unknown"},       {BD_SLICE(""), "unknown"},
    };

    for (size_t i = 0; i < LENGTH(rows); i++)
        assert_string_equal(methods[method_index(rows[i].method)].lower.p, rows[i].label);
    for (size_t i = 1; i < METHODS; i++)
        assert_true(strcmp(methods[i - 1].lower.p, methods[i].lower.p) < 0);
}

static void test_bounds_are_inclusive(void **state)
{
    for (size_t i = 0; i < requests.bounds; i++) {
        struct bd_metrics *m = bd_metrics_new();
        const struct bd_scrape one = {.worker = &m, .workers = 1};
        size_t get = method_index(BD_SLICE("GET"));

        bd_metrics_count(m, 999, BD_SLICE("GET"), requests.bound[i]);
        bd_metrics_count(m, 100, BD_SLICE("GET"), requests.bound[i] + 1);
        assert_int_equal(total_of(&one, 999 - CODE_MIN, get).bucket[i], 1);
        assert_int_equal(total_of(&one, 0, get).bucket[i + 1], 1);
        bd_metrics_free(m);
    }
}

#define WRITERS 3
#define EVENTS 20000

struct writing {
    struct bd_metrics *m;
    atomic_int *running;
};

static void *write_events(void *arg)
{
    static const struct bd_slice verbs[] = {BD_SLICE("GET"), BD_SLICE("POST"), BD_SLICE("X")};
    struct writing *w = arg;

    for (int i = 0; i < EVENTS; i++) {
        bd_metrics_begin(w->m);
        bd_metrics_count(w->m, 200 + i % 300, verbs[i % 3], i * 1000);
        bd_metrics_end(w->m);
    }
    atomic_fetch_sub(w->running, 1);
    return NULL;
}

/* The sum of all values of a family, and that none of them is torn or negative. */
static double sum_of(const char *text, const char *family)
{
    double sum = 0;

    for (const char *line = strstr(text, family); line; line = strstr(line + 1, family)) {
        double value = strtod(strchr(line, ' ') + 1, NULL);

        assert_true(value >= 0);
        sum += value;
    }
    return sum;
}

static void test_scrape_while_counting(void **state)
{
    struct bd_metrics *all[WRITERS];
    struct writing w[WRITERS];
    pthread_t thread[WRITERS];
    atomic_int running = WRITERS;
    double before = 0;
    char *text;

    for (int i = 0; i < WRITERS; i++) {
        all[i] = bd_metrics_new();
        w[i] = (struct writing){all[i], &running};
        assert_int_equal(pthread_create(&thread[i], NULL, write_events, &w[i]), 0);
    }
    do {
        double now;

        text = scrape(all, WRITERS);
        now = sum_of(text, "http_requests_total{");
        assert_true(now >= before);
        before = now;
        free(text);
    } while (atomic_load(&running));
    for (int i = 0; i < WRITERS; i++)
        pthread_join(thread[i], NULL);

    text = scrape(all, WRITERS);
    assert_true(sum_of(text, "http_requests_total{") == WRITERS * EVENTS);
    assert_true(sum_of(text, "http_request_duration_seconds_count{") == WRITERS * EVENTS);
    assert_int_equal(bd_metrics_in_flight(all, WRITERS), 0);
    free(text);
    for (int i = 0; i < WRITERS; i++)
        bd_metrics_free(all[i]);
}

static void test_shortest(void **state)
{
    static const struct {
        double value;
        const char *text;
    } rows[] = {
        {0, "0"},
        {1, "1"},
        {10, "10"},
        {0.005, "0.005"},
        {0.006647554, "0.006647554"},
        {2.5, "2.5"},
        {100000, "100000"},
        {999999, "999999"},
        {999999.5, "999999.5"},
        {1000000, "1e+06"},
        {1234567, "1.234567e+06"},
        {10682368, "1.0682368e+07"},
        {1781234567.25, "1.78123456725e+09"},
        {0.0001, "0.0001"},
        {0.00012345, "0.00012345"},
        {0.00001, "1e-05"},
        {0.0000123, "1.23e-05"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1e21, "1e+21"},
        {1e100, "1e+100"},
        {-1.5, "-1.5"},
        {5e-324, "5e-324"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {9007199254740992.0, "9.007199254740992e+15"},
    };
    char buf[SHORTEST_BYTES];

    for (size_t i = 0; i < LENGTH(rows); i++)
        assert_string_equal(shortest_print(buf, rows[i].value), rows[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_the_first_event), cmocka_unit_test(test_whole_text),
        cmocka_unit_test(test_method_labels),          cmocka_unit_test(test_bounds_are_inclusive),
        cmocka_unit_test(test_scrape_while_counting),  cmocka_unit_test(test_shortest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
