/*
 * generate_knative.c - serving.knative.dev/v1: a Service of Knative
 *
 * Knative itself decides about replicas, metrics and the end of a Pod, and allows less of one than
 * Kubernetes does.
 */
#include "generate.h"

#include <string.h>

/* Knative wants these where the revision is described, and refuses them on the service. */
static bool is_for_revisions(const char *annotation)
{
    return strncmp(annotation, "autoscaling.knative.dev/", 24) == 0;
}

static void head(struct emit *e, const struct workload *w)
{
    struct pairs own = {0};

    for (size_t i = 0; i < w->annotations.count; i++)
        if (!is_for_revisions(w->annotations.row[i].name))
            pairs_set(w->arena, &own, w->annotations.row[i].name, w->annotations.row[i].value);
    write_head(e, "serving.knative.dev/v1", "Service", w);
    emit_key_pairs(e, "labels", &w->labels);
    emit_key_pairs(e, "annotations", &own);
    emit_end(e);
}

static void container(struct emit *e, const struct workload *w)
{
    emit_map(e);
    emit_key_text(e, "image", w->image);
    emit_key_list(e, "ports");
    emit_map(e);
    emit_key_int(e, "containerPort", w->settings.port);
    emit_end(e);
    emit_end(e);
    pod_env(e, w);
    pod_probe(e, "readinessProbe", w->settings.ready, NULL);
    emit_end(e);
    if (w->function->readonly_root_filesystem) {
        emit_key_map(e, "securityContext");
        emit_key_bool(e, "readOnlyRootFilesystem", true);
        emit_end(e);
    }
    pod_resources(e, w->function);
    pod_volume_mounts(e, w);
    emit_end(e);
}

void write_knative(struct emit *e, const struct workload *w)
{
    head(e, w);
    emit_key_map(e, "spec");
    emit_key_map(e, "template");
    if (w->labels.count > 0 || w->annotations.count > 0) {
        emit_key_map(e, "metadata");
        emit_key_pairs(e, "labels", &w->labels);
        emit_key_pairs(e, "annotations", &w->annotations);
        emit_end(e);
    }
    emit_key_map(e, "spec");
    emit_key_list(e, "containers");
    container(e, w);
    emit_end(e);
    pod_volumes(e, w);
    emit_end(e);
    emit_end(e);
    emit_end(e);
    emit_end(e);
}
