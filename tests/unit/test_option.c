/* option.c: from rows and the environment to values */
#include "option_rows.h"

#define NS INT64_C(1000000000)
#define ENV(...) ((char *const[]){__VA_ARGS__, NULL})

/* What loading has told. */
static struct {
    struct conf conf;
    int errors;
    char problems[4096]; /* "W: text\n" or "E: text\n" each */
    char settings[8192]; /* "name=value (source)\n" each */
} got;

static void append(char *to, size_t bytes, const char *a, const char *b, const char *c,
                   const char *d)
{
    size_t len = strlen(to);

    assert_true((size_t)snprintf(to + len, bytes - len, "%s%s%s%s\n", a, b, c, d) < bytes - len);
}

static void problem(void *self, enum bd_severity severity, const char *text)
{
    assert_ptr_equal(self, &got);
    append(got.problems, sizeof(got.problems), severity == BD_ERROR ? "E: " : "W: ", text, "", "");
}

static void setting(void *self, const struct bd_option *o, const char *value, enum bd_source source)
{
    static const char *const sources[] = {" (default)", " (environment)", " (fallback)"};

    assert_ptr_equal(self, &got);
    append(got.settings, sizeof(got.settings), o->name, "=", value, sources[source]);
}

static const struct conf *load_strictly(enum bd_family family, bool strict, char *const *env)
{
    const struct bd_report report = {problem, setting, &got};

    memset(&got, 0, sizeof(got));
    got.errors = bd_options_load(rows, &got.conf, family, strict, env, &report);
    return &got.conf;
}

static const struct conf *load(enum bd_family family, char *const *env)
{
    return load_strictly(family, false, env);
}

static void assert_setting(const char *line)
{
    if (!strstr(got.settings, line))
        fail_msg("no \"%s\" in:\n%s", line, got.settings);
}

static void test_environ_get(void **state)
{
    char *const *env = ENV("a=1", "ab=2", "a=3", "none", "=x", "empty=", "eq=a=b");

    assert_string_equal(bd_environ_get(env, "a"), "1");
    assert_string_equal(bd_environ_get(env, "ab"), "2");
    assert_string_equal(bd_environ_get(env, "empty"), "");
    assert_string_equal(bd_environ_get(env, "eq"), "a=b");
    assert_null(bd_environ_get(env, "none"));
    assert_null(bd_environ_get(env, "b"));
    assert_null(bd_environ_get(env, "A"));
    assert_null(bd_environ_get(ENV(NULL), "a"));
}

static void test_defaults_of_classic(void **state)
{
    const struct conf *c = load(BD_CLASSIC, ENV(NULL));

    assert_int_equal(got.errors, 0);
    assert_string_equal(got.problems, "");
    assert_string_equal(got.settings, "fprocess=(unset) (default)\n"
                                      "port=8080 (default)\n"
                                      "write_timeout=30s (default)\n"
                                      "healthcheck_interval=30s (default)\n"
                                      "exec_timeout=0s (default)\n"
                                      "max_inflight=0 (default)\n"
                                      "workers=2 (default)\n"
                                      "kill_grace=1s (default)\n"
                                      "mode=classic (default)\n"
                                      "write_debug=false (default)\n"
                                      "combine_output=true (default)\n"
                                      "suppress_lock=false (default)\n");
    assert_null(c->process);
    assert_null(c->type);
    assert_int_equal(c->port, 8080);
    assert_int_equal(c->health, 30 * NS);
    assert_int_equal(c->mode, 0);
    assert_true(c->combine);
    assert_int_equal(c->buffer, 0);
}

static void test_defaults_of_others(void **state)
{
    const struct conf *c = load(BD_OTHERS, ENV(NULL));

    assert_string_equal(got.settings, "fprocess=(unset) (default)\n"
                                      "port=8080 (default)\n"
                                      "write_timeout=30s (default)\n"
                                      "healthcheck_interval=30s (default)\n"
                                      "exec_timeout=30s (default)\n"
                                      "content_type=application/octet-stream (default)\n"
                                      "max_inflight=0 (default)\n"
                                      "log_buffer_size=65536 (default)\n"
                                      "workers=2 (default)\n"
                                      "kill_grace=1s (default)\n"
                                      "mode=classic (default)\n"
                                      "suppress_lock=false (default)\n"
                                      "prefix_logs=true (default)\n");
    assert_int_equal(c->exec_timeout, 30 * NS);
    assert_false(c->combine);
}

static void test_values(void **state)
{
    char *const *env = ENV("fprocess=cat -u", "port=+08081", "write_timeout=1m", "exec_timeout=90",
                           "max_inflight=-3", "workers=64", "mode=serializing", "prefix_logs=F",
                           "suppress_lock=1", "content_type=a/b", "port=1");
    const struct conf *c = load(BD_OTHERS, env);

    assert_int_equal(got.errors, 0);
    assert_string_equal(got.problems, "");
    assert_ptr_equal(c->process, env[0] + strlen("fprocess="));
    assert_int_equal(c->port, 8081);
    assert_int_equal(c->write_timeout, 60 * NS);
    assert_int_equal(c->health, 60 * NS);
    assert_int_equal(c->exec_timeout, 90 * NS);
    assert_int_equal(c->inflight, -3);
    assert_int_equal(c->workers, 64);
    assert_int_equal(c->mode, 2);
    assert_false(c->prefix);
    assert_true(c->lock);
    assert_setting("fprocess=cat -u (environment)\n");
    assert_setting("port=8081 (environment)\n");
    assert_setting("exec_timeout=1m30s (environment)\n");
    assert_setting("healthcheck_interval=1m0s (default)\n");
    assert_setting("mode=serializing (environment)\n");
    assert_setting("prefix_logs=false (environment)\n");
}

static void test_two_names(void **state)
{
    static char one[] = "fprocess=one", two[] = "function_process=two",
                no_one[] = "fprocess=", no_two[] = "function_process=";

    assert_string_equal(load(BD_CLASSIC, ENV(one, two))->process, "one");
    assert_string_equal(load(BD_CLASSIC, ENV(two))->process, "two");
    assert_string_equal(load(BD_CLASSIC, ENV(no_one, two))->process, "two");
    assert_string_equal(load(BD_CLASSIC, ENV(one, no_two))->process, "one");
    assert_null(load(BD_CLASSIC, ENV(no_one, no_two))->process);

    assert_string_equal(load(BD_OTHERS, ENV(one, two))->process, "two");
    assert_string_equal(load(BD_OTHERS, ENV(one))->process, "one");
    assert_string_equal(load(BD_OTHERS, ENV(two))->process, "two");
    assert_string_equal(load(BD_OTHERS, ENV(one, no_two))->process, "");
    assert_string_equal(load(BD_OTHERS, ENV(no_one, two))->process, "two");
}

static void test_empty_is_unset_in_classic(void **state)
{
    const struct conf *c = load(BD_CLASSIC, ENV("port=", "exec_timeout=", "combine_output=",
                                                "fprocess=", "workers=", "mode=", "kill_grace="));

    assert_string_equal(got.problems, "");
    assert_null(strstr(got.settings, "environment"));
    assert_int_equal(c->port, 8080);
    assert_true(c->combine);
}

static void test_empty_is_set_in_others(void **state)
{
    const struct conf *c =
        load(BD_OTHERS, ENV("port=", "exec_timeout=", "content_type=", "suppress_lock=",
                            "prefix_logs=", "workers=", "mode=", "log_buffer_size="));

    assert_int_equal(got.errors, 1);
    assert_string_equal(got.problems,
                        "W: port=\"\" is not a whole number, using 0; allowed: a whole number\n"
                        "W: exec_timeout=\"\" is not a duration, using 30s; allowed: whole seconds "
                        "or a duration like 1m30s or 500ms\n"
                        "E: log_buffer_size=\"\" is not a whole number; allowed: a whole number of "
                        "bytes\n");
    assert_string_equal(c->type, "");
    assert_int_equal(c->port, 0);
    assert_int_equal(c->exec_timeout, 30 * NS);
    assert_setting("content_type= (environment)\n");
    assert_setting("prefix_logs=true (default)\n");
    assert_setting("workers=2 (default)\n");
    assert_setting("port=0 (fallback)\n");
}

static void test_bad_values_are_warned_of(void **state)
{
    const struct conf *c =
        load(BD_CLASSIC, ENV("port=-1", "write_timeout=5d", "exec_timeout=9223372037",
                             "max_inflight=99999999999999999999", "combine_output=1"));

    assert_int_equal(got.errors, 0);
    assert_string_equal(
        got.problems,
        "W: port=\"-1\" is out of range, using 8080; allowed: a whole number, at least 0\n"
        "W: write_timeout=\"5d\" is not a duration, using 30s; allowed: whole seconds or a "
        "duration "
        "like 1m30s or 500ms\n"
        "W: exec_timeout=\"9223372037\" is too long, using 0s; allowed: whole seconds or a "
        "duration "
        "like 1m30s or 500ms\n"
        "W: max_inflight=\"99999999999999999999\" is out of range, using 0; allowed: a whole "
        "number\n"
        "W: combine_output=\"1\" is not a boolean, using false; allowed: true or false\n");
    assert_int_equal(c->port, 8080);
    assert_int_equal(c->health, 30 * NS);
    assert_false(c->combine);
    assert_setting("port=8080 (fallback)\n");
    assert_setting("combine_output=false (fallback)\n");
    assert_setting("healthcheck_interval=30s (default)\n");
}

static void test_like_a_fallback(void **state)
{
    load(BD_CLASSIC, ENV("write_timeout=7", "healthcheck_interval=x"));
    assert_setting("write_timeout=7s (environment)\n");
    assert_setting("healthcheck_interval=7s (fallback)\n");
}

static void test_own_settings_are_errors(void **state)
{
    const struct conf *c =
        load(BD_OTHERS, ENV("workers=0", "kill_grace=5d", "mode=afterburn", "log_buffer_size=x"));

    assert_int_equal(got.errors, 4);
    assert_string_equal(
        got.problems,
        "E: log_buffer_size=\"x\" is not a whole number; allowed: a whole number of bytes\n"
        "E: workers=\"0\" is out of range; allowed: a whole number of threads from 1 to 64\n"
        "E: kill_grace=\"5d\" is not a duration; allowed: whole seconds or a duration like 1m30s "
        "or 500ms\n"
        "E: mode=\"afterburn\" is not a known word; allowed: classic, streaming or serializing\n");
    assert_int_equal(c->workers, 2);
    assert_int_equal(c->mode, 0);
}

static void test_strict(void **state)
{
    load_strictly(BD_CLASSIC, true, ENV("port=x", "combine_output=1", "write_debug=0"));
    assert_int_equal(got.errors, 2);
    assert_string_equal(got.problems,
                        "E: port=\"x\" is not a whole number; allowed: a whole number, at least 0\n"
                        "E: combine_output=\"1\" is not a boolean; allowed: true or false\n");
}

static void test_values_are_escaped_and_cut(void **state)
{
    static char long_value[4096] = "exec_timeout=";
    char expected[256];

    load(BD_CLASSIC, ENV("port=5\n2006/01/02 \x1b[31m\xc3\xa9", "fprocess=a\tb"));
    assert_string_equal(got.problems, "W: port=\"5\\x0a2006/01/02 \\x1b[31m\\xc3\\xa9\" is not a "
                                      "whole number, using 8080; allowed: a whole number, at least "
                                      "0\n");
    assert_string_equal(got.conf.process, "a\tb");
    assert_setting("fprocess=a\\x09b (environment)\n");

    memset(long_value + strlen("exec_timeout="), 'x', 4000);
    load(BD_CLASSIC, ENV(long_value));
    snprintf(expected, sizeof(expected),
             "W: exec_timeout=\"%.80s\"... is not a duration, using 0s;",
             long_value + strlen("exec_timeout="));
    assert_memory_equal(got.problems, expected, strlen(expected));
}

static void test_report_functions_may_be_absent(void **state)
{
    const struct bd_report report = {NULL, NULL, NULL};
    struct conf conf;

    memset(&conf, 0, sizeof(conf));
    assert_int_equal(bd_options_load(rows, &conf, BD_OTHERS, false,
                                     ENV("port=x", "workers=x", "log_buffer_size=x"), &report),
                     2);
    assert_int_equal(conf.port, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_environ_get),
        cmocka_unit_test(test_defaults_of_classic),
        cmocka_unit_test(test_defaults_of_others),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_two_names),
        cmocka_unit_test(test_empty_is_unset_in_classic),
        cmocka_unit_test(test_empty_is_set_in_others),
        cmocka_unit_test(test_bad_values_are_warned_of),
        cmocka_unit_test(test_like_a_fallback),
        cmocka_unit_test(test_own_settings_are_errors),
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_values_are_escaped_and_cut),
        cmocka_unit_test(test_report_functions_may_be_absent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
