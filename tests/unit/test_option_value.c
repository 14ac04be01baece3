/* option_value.c and option_help.c: which text means what, and how rows are explained */
#include "option_rows.h"

enum truth { NO, YES, BAD };

static void test_bool_rules(void **state)
{
    static const struct {
        const char *text;
        enum truth plain, one, word;
    } table[] = {
        {"true", YES, YES, YES},  {"1", BAD, YES, YES},     {"t", BAD, BAD, YES},
        {"T", BAD, BAD, YES},     {"TRUE", BAD, BAD, YES},  {"True", BAD, BAD, YES},
        {"false", NO, NO, NO},    {"0", NO, NO, NO},        {"f", NO, NO, NO},
        {"F", NO, NO, NO},        {"FALSE", NO, NO, NO},    {"False", NO, NO, NO},
        {"tRUE", BAD, BAD, BAD},  {"yes", BAD, BAD, BAD},   {"on", BAD, BAD, BAD},
        {" true", BAD, BAD, BAD}, {"true ", BAD, BAD, BAD}, {"2", BAD, BAD, BAD},
        {"01", BAD, BAD, BAD},
    };
    static const enum bd_type types[] = {BD_BOOL, BD_BOOL_ONE, BD_BOOL_WORD};

    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        const enum truth expected[] = {table[i].plain, table[i].one, table[i].word};

        for (size_t t = 0; t < 3; t++) {
            struct bd_option o = {.name = "x", .type = types[t]};
            struct option_reading r = option_read(&o, table[i].text);

            if (!!r.fault != (expected[t] == BAD) || r.value.flag != (expected[t] == YES) ||
                r.binding != (expected[t] == BAD && t < 2))
                fail_msg("\"%s\" in column %zu", table[i].text, t);
        }
    }
}

static void test_help(void **state)
{
    char *text;
    size_t len;
    FILE *to = open_memstream(&text, &len);

    bd_options_help(to, rows);
    fclose(to);
    assert_string_equal(
        text,
        "  fprocess=COMMAND\n"
        "        what to run for each call (default: none; also read as function_process)\n"
        "  port=NUMBER\n"
        "        where to listen (default: 8080; allowed: a whole number, at least 0)\n"
        "  write_timeout=DURATION\n"
        "        end of a request to the end of its answer (default: 30s)\n"
        "  healthcheck_interval=DURATION\n"
        "        how long to go on serving after SIGTERM (default: that of write_timeout)\n"
        "  exec_timeout=DURATION\n"
        "        how long a call may take (default: 0s with mode=classic, else 30s)\n"
        "  content_type=TEXT\n"
        "        type of the answer (default: application/octet-stream; not with mode=classic)\n"
        "  max_inflight=NUMBER\n"
        "        calls at a time (default: 0)\n"
        "  log_buffer_size=BYTES\n"
        "        longest log line (default: 65536; not with mode=classic)\n"
        "  workers=THREADS\n"
        "        threads that serve (default: 2; allowed: a whole number of threads from 1 to 64)\n"
        "  kill_grace=DURATION\n"
        "        from SIGTERM to SIGKILL (default: 1s)\n"
        "  mode=classic|streaming|serializing\n"
        "        how calls become work (default: classic)\n"
        "  write_debug=true|false\n"
        "        copy output to stdout (default: false; only with mode=classic)\n"
        "  combine_output=true|false\n"
        "        stderr goes into the answer (default: true; only with mode=classic)\n"
        "  suppress_lock=true|false\n"
        "        write no lock file (default: false)\n"
        "  prefix_logs=true|false\n"
        "        date and time before each line (default: true; not with mode=classic)\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bool_rules),
        cmocka_unit_test(test_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
