/*
 * generate_deployment.c - apps/v1: a Deployment and its Service, for Kubernetes without OpenFaaS
 *
 * As docs/operations.md says it should be. The label that selects is OpenFaaS's, and no label of
 * the stack file can take its place: two functions with the same label must not get each other's
 * calls.
 */
#include "generate.h"

#define SELECTOR "faas_function"

#define FORGET_S 5 /* from the decision to stop a Pod until it gets no more calls */
#define SPARE_S 5  /* for a busy machine to kill what is left */

static void selector(struct emit *e, const char *key, const struct workload *w)
{
    emit_key_map(e, key);
    emit_key_text(e, SELECTOR, w->name);
    emit_end(e);
}

static void port(struct emit *e, const char *name, const char *key, int64_t number)
{
    emit_map(e);
    emit_key_text(e, "name", name);
    emit_key_int(e, key, number);
}

static void ports(struct emit *e, const struct settings *s)
{
    emit_key_list(e, "ports");
    port(e, "http", "containerPort", s->port);
    emit_end(e);
    if (s->metrics_port) {
        port(e, "metrics", "containerPort", s->metrics_port);
        emit_end(e);
    }
    emit_end(e);
}

static void probe(struct emit *e, const char *key, const char *path, int period_s, int failures)
{
    pod_probe(e, key, path, "http");
    emit_key_int(e, "periodSeconds", period_s);
    emit_key_int(e, "failureThreshold", failures);
}

static void probes(struct emit *e, const struct settings *s)
{
    probe(e, "startupProbe", s->ready, 1, 60);
    emit_end(e);
    probe(e, "readinessProbe", s->ready, 2, 2);
    emit_end(e);
    probe(e, "livenessProbe", "/_/health", 10, 3);
    emit_key_int(e, "timeoutSeconds", 5);
    emit_end(e);
}

/* It is ready until then, so a call that comes late is served. */
static void forgetting(struct emit *e)
{
    emit_key_map(e, "lifecycle");
    emit_key_map(e, "preStop");
    emit_key_map(e, "sleep");
    emit_key_int(e, "seconds", FORGET_S);
    emit_end(e);
    emit_end(e);
    emit_end(e);
}

/* What the profile "restricted" of Kubernetes asks for, but where the watchdog has to choose a
 * user. */
static void security(struct emit *e, const struct workload *w)
{
    static const char *choosing[] = {"KILL", "SETGID", "SETUID", NULL}, *all[] = {"ALL", NULL};
    const struct texts add = {choosing, w->settings.chooses_user ? 3 : 0}, drop = {all, 1};

    emit_key_map(e, "securityContext");
    if (!w->settings.chooses_user)
        emit_key_bool(e, "runAsNonRoot", true);
    if (w->function->readonly_root_filesystem)
        emit_key_bool(e, "readOnlyRootFilesystem", true);
    emit_key_bool(e, "allowPrivilegeEscalation", false);
    emit_key_map(e, "capabilities");
    emit_key_texts(e, "drop", &drop);
    emit_key_texts(e, "add", &add);
    emit_end(e);
    emit_key_map(e, "seccompProfile");
    emit_key_text(e, "type", "RuntimeDefault");
    emit_end(e);
    emit_end(e);
}

static void container(struct emit *e, const struct workload *w)
{
    emit_map(e);
    emit_key_text(e, "name", w->name);
    emit_key_text(e, "image", w->image);
    ports(e, &w->settings);
    pod_env(e, w);
    probes(e, &w->settings);
    forgetting(e);
    security(e, w);
    pod_resources(e, w->function);
    pod_volume_mounts(e, w);
    emit_end(e);
}

static void node_selector(struct emit *e, const struct workload *w)
{
    const struct texts *constraints = &w->function->constraints;
    struct pairs labels = {0};

    for (size_t i = 0; i < constraints->count; i++) {
        struct pair row = constraint_split(w->arena, constraints->text[i]);

        pairs_set(w->arena, &labels, row.name, row.value);
    }
    pairs_sort(&labels);
    emit_key_pairs(e, "nodeSelector", &labels);
}

static void pod(struct emit *e, const struct workload *w)
{
    emit_key_map(e, "spec");
    /* Else each Service of the namespace puts seven variables into every call's environment. */
    emit_key_bool(e, "enableServiceLinks", false);
    emit_key_int(e, "terminationGracePeriodSeconds", FORGET_S + w->settings.stop_s + SPARE_S);
    node_selector(e, w);
    emit_key_list(e, "containers");
    container(e, w);
    emit_end(e);
    pod_volumes(e, w);
    emit_end(e);
}

/* Those of the stack file win. */
static void pod_annotations(struct emit *e, const struct workload *w)
{
    struct pairs all = {0};

    if (w->settings.metrics_port) {
        pairs_set(w->arena, &all, "prometheus.io/scrape", "true");
        pairs_set(w->arena, &all, "prometheus.io/port",
                  bd_arena_printf(w->arena, "%lld", (long long)w->settings.metrics_port));
    }
    pairs_set_all(w->arena, &all, &w->annotations);
    pairs_sort(&all);
    emit_key_pairs(e, "annotations", &all);
}

static void deployment(struct emit *e, const struct workload *w, const struct pairs *labels)
{
    write_head(e, "apps/v1", "Deployment", w);
    emit_key_pairs(e, "labels", labels);
    emit_key_pairs(e, "annotations", &w->annotations);
    emit_end(e);
    emit_key_map(e, "spec");
    if (w->replicas)
        emit_key_int(e, "replicas", w->replicas);
    emit_key_map(e, "selector");
    selector(e, "matchLabels", w);
    emit_end(e);
    emit_key_map(e, "template");
    emit_key_map(e, "metadata");
    emit_key_pairs(e, "labels", labels);
    pod_annotations(e, w);
    emit_end(e);
    pod(e, w);
    emit_end(e);
    emit_end(e);
    emit_end(e);
}

static void service(struct emit *e, const struct workload *w, const struct pairs *labels)
{
    write_head(e, "v1", "Service", w);
    emit_key_pairs(e, "labels", labels);
    emit_end(e);
    emit_key_map(e, "spec");
    selector(e, "selector", w);
    emit_key_list(e, "ports");
    port(e, "http", "port", 8080);
    emit_key_text(e, "targetPort", "http");
    emit_end(e);
    emit_end(e);
    emit_end(e);
    emit_end(e);
}

void write_deployment(struct emit *e, const struct workload *w)
{
    struct pairs labels = {0};

    pairs_set_all(w->arena, &labels, &w->labels);
    pairs_set(w->arena, &labels, SELECTOR, w->name);
    pairs_sort(&labels);
    deployment(e, w, &labels);
    service(e, w, &labels);
}
