/*
 * generate_parts.c - parts of documents that several kinds have in common
 */
#include "generate.h"

#include <string.h>

#define SECRETS_FOLDER "/var/openfaas/secrets"

void write_head(struct emit *e, const char *api, const char *kind, const struct workload *w)
{
    emit_map(e);
    emit_key_text(e, "apiVersion", api);
    emit_key_text(e, "kind", kind);
    emit_key_map(e, "metadata");
    emit_key_text(e, "name", w->name);
    if (w->namespace)
        emit_key_text(e, "namespace", w->namespace);
}

static bool is_given(const char *amount)
{
    return amount && *amount;
}

static bool has_amounts(const struct resources *r)
{
    return is_given(r->cpu) || is_given(r->memory);
}

void write_amounts(struct emit *e, const char *key, const struct resources *r)
{
    if (!has_amounts(r))
        return;
    emit_key_map(e, key);
    if (is_given(r->cpu))
        emit_key_text(e, "cpu", r->cpu);
    if (is_given(r->memory))
        emit_key_text(e, "memory", r->memory);
    emit_end(e);
}

/* Kubernetes makes "$(NAME)" a variable's value and "$$" a dollar; here neither is meant. */
static const char *literally(struct bd_arena *a, const char *text)
{
    char *copy = bd_arena_alloc(a, 2 * strlen(text) + 1), *to = copy;

    for (; *text; text++) {
        *to++ = *text;
        if (*text == '$' && (text[1] == '$' || text[1] == '('))
            *to++ = '$';
    }
    *to = '\0';
    return copy;
}

void pod_env(struct emit *e, const struct workload *w)
{
    if (w->environment.count == 0)
        return;
    emit_key_list(e, "env");
    for (size_t i = 0; i < w->environment.count; i++) {
        emit_map(e);
        emit_key_text(e, "name", w->environment.row[i].name);
        emit_key_text(e, "value", literally(w->arena, w->environment.row[i].value));
        emit_end(e);
    }
    emit_end(e);
}

void pod_probe(struct emit *e, const char *key, const char *path, const char *port)
{
    emit_key_map(e, key);
    emit_key_map(e, "httpGet");
    emit_key_text(e, "path", path);
    if (port)
        emit_key_text(e, "port", port);
    emit_end(e);
}

void pod_resources(struct emit *e, const struct function *f)
{
    if (!has_amounts(&f->limits) && !has_amounts(&f->requests))
        return;
    emit_key_map(e, "resources");
    write_amounts(e, "limits", &f->limits);
    write_amounts(e, "requests", &f->requests);
    emit_end(e);
}

static bool has_volumes(const struct workload *w)
{
    return w->secrets.count > 0 || w->function->readonly_root_filesystem;
}

void pod_volume_mounts(struct emit *e, const struct workload *w)
{
    if (!has_volumes(w))
        return;
    emit_key_list(e, "volumeMounts");
    if (w->secrets.count > 0) {
        emit_map(e);
        emit_key_text(e, "name", "secrets");
        emit_key_text(e, "mountPath", SECRETS_FOLDER);
        emit_key_bool(e, "readOnly", true);
        emit_end(e);
    }
    if (w->function->readonly_root_filesystem) {
        emit_map(e);
        emit_key_text(e, "name", "tmp");
        emit_key_text(e, "mountPath", w->settings.tmpdir);
        emit_end(e);
    }
    emit_end(e);
}

/* As OpenFaaS does it: each key of each secret is a file, and its secrets have one key, called like
 * themselves. */
static void secrets_volume(struct emit *e, const struct texts *secrets)
{
    emit_map(e);
    emit_key_text(e, "name", "secrets");
    emit_key_map(e, "projected");
    emit_key_list(e, "sources");
    for (size_t i = 0; i < secrets->count; i++) {
        emit_map(e);
        emit_key_map(e, "secret");
        emit_key_text(e, "name", secrets->text[i]);
        emit_end(e);
        emit_end(e);
    }
    emit_end(e);
    emit_end(e);
    emit_end(e);
}

void pod_volumes(struct emit *e, const struct workload *w)
{
    if (!has_volumes(w))
        return;
    emit_key_list(e, "volumes");
    if (w->secrets.count > 0)
        secrets_volume(e, &w->secrets);
    if (w->function->readonly_root_filesystem) {
        emit_map(e);
        emit_key_text(e, "name", "tmp");
        emit_key_map(e, "emptyDir");
        emit_end(e);
        emit_end(e);
    }
    emit_end(e);
}
