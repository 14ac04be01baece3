/*
 * option.h - settings are rows, not code
 *
 * Parsing, the checks, --help, --check and the table in the documentation all come from the rows.
 * A row tells where its value goes: `offset` into the structure given to bd_options_load().
 */
#ifndef BANDOG_OPTION_H
#define BANDOG_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A bad value means the default, where nothing else is said. */
enum bd_type {
    BD_TEXT,     /* const char *, into the environment; NULL when unset and without default */
    BD_INT,      /* int64_t, base 10 with optional sign, `min`..`max` */
    BD_DURATION, /* int64_t nanoseconds, see duration.h; seconds beyond the range mean 0 */
    BD_WORD,     /* int, index of the word in `words` */
    /*
     * bool. Quietly false, whatever the default: 0 f F FALSE false False. Any other text that is
     * not one of the true ones is a bad value, since what happens may not be what was meant.
     */
    BD_BOOL,      /* true: "true"; a bad value means false */
    BD_BOOL_ONE,  /* true: "true" "1"; a bad value means false */
    BD_BOOL_WORD, /* true: 1 t T TRUE true True */
};

/*
 * Which programs' rules a row describes; a name may have one row for each. An empty BD_WORD or
 * BD_BOOL* and an empty value of bandog's own settings equal unset in both.
 */
enum bd_family {
    BD_CLASSIC = 1, /* mode=classic: classic-watchdog; an empty value equals unset */
    BD_OTHERS = 2,  /* every other mode: of-watchdog; an empty value counts as set */
    BD_ANY = BD_CLASSIC | BD_OTHERS,
};

enum bd_option_flag {
    BD_OWN = 1,   /* bandog's own: a bad value is always an error */
    BD_FATAL = 2, /* the originals stop on a bad value too */
};

struct bd_option {
    const char *name; /* of the environment variable; NULL ends the table */
    const char *also; /* second name of the same setting, or NULL; see prefer_name */
    enum bd_type type;
    unsigned family;  /* enum bd_family; 0 means BD_ANY */
    unsigned flags;   /* enum bd_option_flag */
    bool prefer_name; /* when both names are set `name` wins; else `also` does, even when empty */
    size_t offset;
    const char *initial;  /* the default as text; NULL: unset, 0, false */
    const char *like;     /* or: the default is the value of this earlier row of the same table */
    const char *fallback; /* value used for a bad one, as text; NULL: as the type says */
    int64_t min, max;     /* BD_INT: both 0 means any; max INT64_MAX: no upper end */
    const char *const *words; /* BD_WORD: NULL-terminated */
    const char *unit;         /* "bytes", "processes", "path": shown for the value; NULL for none */
    const char *help;         /* one line, lower case, no full stop */
};

enum bd_source { BD_FROM_DEFAULT, BD_FROM_ENVIRONMENT, BD_FROM_FALLBACK };
enum bd_severity { BD_WARNING, BD_ERROR };

/* Receives what loading finds; either function may be NULL. */
struct bd_report {
    /*
     * One sentence that names the variable, the value given, the value used and what is allowed.
     * Bytes of the environment in it are escaped.
     */
    void (*problem)(void *self, enum bd_severity severity, const char *text);
    /*
     * One effective setting, in table order, value as text ("(unset)" when there is none), escaped
     * likewise. The text is gone when the call returns.
     */
    void (*setting)(void *self, const struct bd_option *o, const char *value,
                    enum bd_source source);
    void *self;
};

/*
 * Reads the rows that belong to `family` from `environ_rows` ("NAME=VALUE", of equal names the
 * first wins) into `conf`, which must be zeroed. Goes on after a problem so that all are reported
 * at once. Returns how many BD_ERRORs there were; with `strict` every problem is one.
 */
int bd_options_load(const struct bd_option *rows, void *conf, enum bd_family family, bool strict,
                    char *const *environ_rows, const struct bd_report *report);

/*
 * The rows' text for --help, one entry for a name with a row per family:
 *
 *   exec_timeout=DURATION
 *         how long a call may take (default: 0s with mode=classic, else 30s)
 */
void bd_options_help(FILE *to, const struct bd_option *rows);

/* The value of NAME in rows of the environment (first one wins), NULL when it is not there. */
const char *bd_environ_get(char *const *environ_rows, const char *name);

#endif
