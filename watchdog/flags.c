/*
 * flags.c - see flags.h
 *
 * One dash or two, `-f`, `-f=true`; parsing stops at the first argument that is no flag, and what
 * follows is ignored, because existing images may carry it.
 */
#include "flags.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "bandog/modes.h"
#include "conf.h"

struct flag {
    const char *name;
    size_t offset;
    const char *help;
};

static const struct flag table[] = {
    {"check", offsetof(struct flags, check),
     "show every effective setting and all problems, then exit: 1 if there are any"},
    {"help", offsetof(struct flags, help), "show this text and exit"},
    {"run-healthcheck", offsetof(struct flags, run_healthcheck),
     "check for the lock file of a running watchdog and exit: 1 if there is none"},
    {"version", offsetof(struct flags, version), "print the version and exit"},
};

#define FLAGS (sizeof(table) / sizeof(table[0]))

static void usage(FILE *to, const char *program)
{
    fprintf(to, "Usage of %s:\n", program);
    for (size_t i = 0; i < FLAGS; i++)
        fprintf(to, "  -%s\n    \t%s\n", table[i].name, table[i].help);
}

void flags_help(const char *program)
{
    usage(stdout, program);
    printf("\nModes:\n");
    for (const struct bd_mode *const *m = bd_modes; *m; m++)
        printf("  %-12s %s\n", (*m)->name, (*m)->summary);
    printf("\nSettings, from the environment (a DURATION is whole seconds, or like 1m30s or "
           "500ms):\n");
    conf_help(stdout);
}

static bool parse_bool(const char *text, bool *ret_value)
{
    static const char *const words[2][6] = {{"0", "f", "F", "false", "FALSE", "False"},
                                            {"1", "t", "T", "true", "TRUE", "True"}};

    for (int value = 0; value < 2; value++)
        for (int i = 0; i < 6; i++)
            if (strcmp(text, words[value][i]) == 0) {
                *ret_value = value;
                return true;
            }
    return false;
}

static const struct flag *find(const char *name, size_t len)
{
    if (len == 1 && *name == 'h')
        return find("help", 4);
    for (size_t i = 0; i < FLAGS; i++)
        if (strlen(table[i].name) == len && memcmp(table[i].name, name, len) == 0)
            return &table[i];
    return NULL;
}

static int parse_one(struct flags *flags, const char *program, const char *arg)
{
    const char *name = arg + (arg[1] == '-' ? 2 : 1), *value = strchr(name, '=');
    const struct flag *flag = find(name, value ? (size_t)(value - name) : strlen(name));
    bool on = true;

    if (*name == '\0' || *name == '-' || *name == '=') {
        fprintf(stderr, "bad flag syntax: %s\n", arg);
    } else if (!flag) {
        fprintf(stderr, "flag provided but not defined: -%.*s\n",
                value ? (int)(value - name) : (int)strlen(name), name);
    } else if (value && !parse_bool(value + 1, &on)) {
        fprintf(stderr, "invalid boolean value \"%s\" for -%s: parse error\n", value + 1,
                flag->name);
    } else {
        *(bool *)(void *)((char *)flags + flag->offset) = on;
        return 0;
    }
    usage(stderr, program);
    return 2;
}

int flags_parse(struct flags *ret_flags, int argc, char **argv)
{
    *ret_flags = (struct flags){0};
    for (int i = 1; i < argc; i++) {
        int status;

        if (argv[i][0] != '-' || argv[i][1] == '\0' || strcmp(argv[i], "--") == 0)
            break;
        status = parse_one(ret_flags, argv[0], argv[i]);
        if (status)
            return status;
    }
    return 0;
}
