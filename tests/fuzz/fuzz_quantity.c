/*
 * Any text as a quantity: its form against a regular expression, its value against numbers of 128
 * bits where they are wide enough, and memory against processor time.
 */
#include <assert.h>
#include <inttypes.h>
#include <regex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quantity.h"

typedef unsigned __int128 wide;

static bool is_formed(const char *text)
{
    static regex_t form;
    static bool ready;

    if (!ready)
        assert(regcomp(&form,
                       "^[+]?([0-9]+[.]?[0-9]*|[.][0-9]+)"
                       "([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$",
                       REG_EXTENDED | REG_NOSUB) == 0);
    ready = true;
    /* `$` would also stand before a newline at the end. */
    return !strchr(text, '\n') && regexec(&form, text, 0, NULL, 0) == 0;
}

/* What is written is `digits` * 10^`exponent` * `unit`. False when this is not wide enough for it.
 */
static bool read_simply(const char *text, wide *ret_digits, long *ret_exponent, wide *ret_unit)
{
    static const char names[] = "numkMGTPE";
    static const long exponents[] = {-9, -6, -3, 3, 6, 9, 12, 15, 18};
    const char *name;
    bool point = false;

    *ret_digits = 0;
    *ret_exponent = 0;
    *ret_unit = 1;
    for (text += *text == '+'; *text == '.' || (*text >= '0' && *text <= '9'); text++) {
        if (*text == '.') {
            point = true;
            continue;
        }
        *ret_digits = *ret_digits * 10 + (wide)(*text - '0');
        *ret_exponent -= point;
        if (*ret_digits >> 63)
            return false;
    }
    if (*text && text[1] == 'i') {
        *ret_unit <<= 10 * (strchr("KMGTPE", *text) - strchr("KMGTPE", 'K') + 1);
        return true;
    }
    if ((*text == 'e' || *text == 'E') && text[1]) {
        long more = strtol(text + 1, NULL, 10);

        if (more <= -100 || more >= 100)
            return false;
        *ret_exponent += more;
        return true;
    }
    name = *text ? strchr(names, *text) : NULL;
    *ret_exponent += name ? exponents[name - names] : 0;
    return true;
}

/* Rounded up; anything from 2^63 on is as good as 2^63. */
static wide multiply(wide digits, long exponent, wide unit)
{
    const wide most = (wide)1 << 63;
    wide n = digits * unit;

    if (exponent < -38)
        return n > 0;
    if (exponent < 0) {
        wide by = 1;

        for (; exponent < 0; exponent++)
            by *= 10;
        n = n / by + (n % by > 0);
    }
    for (; exponent > 0 && n < most; exponent--)
        n *= 10;
    return n < most ? n : most;
}

static void check_value(const char *text, long more, int result, int64_t n)
{
    wide digits, unit, expected;
    long exponent;

    if (!read_simply(text, &digits, &exponent, &unit))
        return;
    expected = multiply(digits, exponent + more, unit);
    if (expected > INT64_MAX)
        assert(result < 0);
    else
        assert(result == 0 && (wide)n == expected);
}

static void check_read_back(int64_t bytes)
{
    char text[32];
    struct bd_error err;
    int64_t again;

    snprintf(text, sizeof(text), "%" PRId64, bytes);
    assert(quantity_bytes(text, &again, &err) == 0 && again == bytes);
    snprintf(text, sizeof(text), "%" PRId64 "m", bytes);
    assert(quantity_millicpu(text, &again, &err) == 0 && again == bytes);
}

static void check(const char *text)
{
    struct bd_error bytes_err = {""}, milli_err = {""};
    int64_t bytes = -1, milli = -1;
    int bytes_result = quantity_bytes(text, &bytes, &bytes_err);
    int milli_result = quantity_millicpu(text, &milli, &milli_err);

    if (!is_formed(text)) {
        assert(bytes_result < 0 && strstr(bytes_err.text, "is not an amount"));
        assert(milli_result < 0 && strstr(milli_err.text, "is not an amount"));
        return;
    }
    check_value(text, 0, bytes_result, bytes);
    check_value(text, 3, milli_result, milli);
    if (bytes_result == 0)
        check_read_back(bytes);
    else
        assert(bytes == -1 && milli_result < 0);
    if (milli_result == 0)
        assert(milli / 1000 + (milli % 1000 > 0) == bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text;

    if (size > 400)
        return 0; /* errors are cut */
    text = malloc(size + 1);
    assert(text);
    memcpy(text, data, size);
    text[size] = '\0';
    check(text);
    free(text);
    return 0;
}
