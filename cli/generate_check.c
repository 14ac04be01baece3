/*
 * generate_check.c - what a cluster would refuse, said before it does
 *
 * The rules are Kubernetes': https://kubernetes.io/docs/concepts/overview/working-with-objects/
 */
#include "generate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bandog/slice.h"
#include "match.h"
#include "quantity.h"
#include "say.h"

#define SUBDOMAIN_LENGTH_MAX 253
#define ANNOTATIONS_BYTES_MAX (256 * 1024)

void workload_error(struct workload *w, const char *format, ...)
{
    char text[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    complain("%s:%zu: function %s: %s", w->file, w->function->line, w->name, text);
    w->errors++;
}

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (bd_ascii_lower(c) >= 'a' && bd_ascii_lower(c) <= 'z');
}

/* Letters, digits and, except at its ends, others; at most `max`. */
static bool is_word(struct bd_slice s, const char *others, size_t max)
{
    if (s.len == 0 || s.len > max || !is_alphanumeric(s.p[0]) || !is_alphanumeric(s.p[s.len - 1]))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!is_alphanumeric(s.p[i]) && !strchr(others, s.p[i]))
            return false;
    return true;
}

static bool is_subdomain(struct bd_slice s)
{
    if (!is_word(s, "-.", SUBDOMAIN_LENGTH_MAX))
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (s.p[i] != bd_ascii_lower(s.p[i]) ||
            (s.p[i] == '.' && !(is_alphanumeric(s.p[i - 1]) && is_alphanumeric(s.p[i + 1]))))
            return false;
    return true;
}

static bool is_label_value(const char *text)
{
    return *text == '\0' || is_word(bd_slice_of(text), "-_.", NAME_LENGTH_MAX);
}

/* [PREFIX/]NAME */
static bool is_label_key(const char *text)
{
    const char *slash = strchr(text, '/');

    if (slash && !is_subdomain((struct bd_slice){text, (size_t)(slash - text)}))
        return false;
    return is_word(bd_slice_of(slash ? slash + 1 : text), "-_.", NAME_LENGTH_MAX);
}

static void check_key(struct workload *w, const char *what, const char *key)
{
    if (!is_label_key(key))
        workload_error(w,
                       "%s \"%s\": the name must consist of letters, digits and, inside, of - _ .; "
                       "at most 63, with or without a domain and / before them",
                       what, key);
}

static void check_label_value(struct workload *w, const char *what, const char *key,
                              const char *value)
{
    if (!is_label_value(value))
        workload_error(w,
                       "%s \"%s\": \"%s\" must consist of letters, digits and, inside, of - _ .; "
                       "at most 63",
                       what, key, value);
}

static void check_labels(struct workload *w)
{
    for (size_t i = 0; i < w->labels.count; i++) {
        check_key(w, "labels", w->labels.row[i].name);
        check_label_value(w, "labels", w->labels.row[i].name, w->labels.row[i].value);
    }
}

static void check_annotations(struct workload *w)
{
    size_t bytes = 0;

    for (size_t i = 0; i < w->annotations.count; i++) {
        const struct pair *row = &w->annotations.row[i];

        check_key(w, "annotations", row->name);
        bytes += strlen(row->name) + strlen(row->value);
    }
    if (bytes > ANNOTATIONS_BYTES_MAX)
        workload_error(w, "annotations have %zu bytes, allowed are %d", bytes,
                       ANNOTATIONS_BYTES_MAX);
}

static bool is_variable(const char *name)
{
    if (*name >= '0' && *name <= '9')
        return false;
    for (const char *p = name; *p; p++)
        if (!is_alphanumeric(*p) && !strchr("-_.", *p))
            return false;
    return *name != '\0';
}

static void check_environment(struct workload *w)
{
    for (size_t i = 0; i < w->environment.count; i++)
        if (!is_variable(w->environment.row[i].name))
            workload_error(w,
                           "environment \"%s\": the name must consist of letters, digits and of "
                           "- _ . and not begin with a digit",
                           w->environment.row[i].name);
}

static void check_secrets(struct workload *w)
{
    for (size_t i = 0; i < w->secrets.count; i++)
        if (!is_subdomain(bd_slice_of(w->secrets.text[i])))
            workload_error(w, "secrets \"%s\": it must consist of a-z, 0-9 and, inside, of - and .",
                           w->secrets.text[i]);
}

/* -1 when there is none, or none that can be understood. */
static int64_t check_amount(struct workload *w, const char *what, const char *key, const char *text,
                            int (*read)(const char *, int64_t *, struct bd_error *))
{
    struct bd_error err;
    int64_t amount = -1;

    if (text && *text && read(text, &amount, &err)) {
        workload_error(w, "%s.%s: %s", what, key, err.text);
        return -1;
    }
    return amount;
}

static void check_amounts(struct workload *w, const char *key, const char *request,
                          const char *limit,
                          int (*read)(const char *, int64_t *, struct bd_error *))
{
    int64_t least = check_amount(w, "requests", key, request, read);
    int64_t most = check_amount(w, "limits", key, limit, read);

    if (least >= 0 && most >= 0 && least > most)
        workload_error(w, "requests.%s \"%s\" is more than limits.%s \"%s\"", key, request, key,
                       limit);
}

void workload_check(struct workload *w)
{
    const struct function *f = w->function;

    if (!f->image || !*f->image)
        workload_error(w, "it has no image");
    else if (strpbrk(f->image, " \t\n"))
        workload_error(w, "image \"%s\" has a blank in it", f->image);
    if (w->name[0] >= '0' && w->name[0] <= '9')
        workload_error(w, "a cluster wants names that begin with a letter");
    if (w->namespace && !name_is_valid(w->namespace))
        workload_error(
            w, "namespace \"%s\": it must consist of a-z, 0-9 and dashes inside, at most %d",
            w->namespace, NAME_LENGTH_MAX);
    check_environment(w);
    check_labels(w);
    check_annotations(w);
    check_secrets(w);
    check_amounts(w, "cpu", f->requests.cpu, f->limits.cpu, quantity_millicpu);
    check_amounts(w, "memory", f->requests.memory, f->limits.memory, quantity_bytes);
}

struct pair constraint_split(struct bd_arena *a, const char *constraint)
{
    const char *equals = strchr(constraint, '=');
    struct pair row = {constraint, NULL};

    if (equals) {
        row.name = bd_arena_copy(a, (struct bd_slice){constraint, (size_t)(equals - constraint)});
        row.value = equals + 1;
    }
    return row;
}

void workload_check_constraints(struct workload *w)
{
    const struct texts *constraints = &w->function->constraints;

    for (size_t i = 0; i < constraints->count; i++) {
        struct pair row = constraint_split(w->arena, constraints->text[i]);

        if (!row.value || !is_label_key(row.name) || !is_label_value(row.value))
            workload_error(w, "constraints \"%s\": it must be LABEL=VALUE, of a node",
                           constraints->text[i]);
    }
}
