/*
 * generate.h - a function as a cluster is told of it, and what the files of `bandog generate` share
 *
 *   generate.c             the command; puts workloads together
 *   generate_check.c       what a cluster would refuse
 *   generate_settings.c    what the watchdog's settings mean for those who run it
 *   generate_function.c    a document: openfaas.com/v1
 *   generate_knative.c     a document: serving.knative.dev/v1
 *   generate_deployment.c  two documents: apps/v1 and its Service
 *   generate_parts.c       what these have in common
 */
#ifndef BANDOG_CLI_GENERATE_H
#define BANDOG_CLI_GENERATE_H

#include <stdbool.h>
#include <stdint.h>

#include "bandog/arena.h"
#include "emit.h"
#include "stack.h"
#include "texts.h"

/* See settings_read(). */
struct settings {
    int64_t port;
    int64_t metrics_port; /* 0: there are no metrics */
    int64_t stop_s;       /* seconds from SIGTERM to the end, at most */
    const char *ready;    /* the path that tells whether it can take calls */
    const char *tmpdir;   /* must be writable */
    bool chooses_user;    /* starts as root and lets the function run as somebody else */
};

struct workload {
    struct bd_arena *arena;
    const char *file; /* the stack file */
    const struct function *function;
    const char *name, *image;
    const char *namespace;                         /* NULL: whichever its reader has chosen */
    struct pairs environment, labels, annotations; /* sorted */
    struct pairs image_environment; /* ENV of its Dockerfile, where that is at hand */
    struct texts secrets;           /* sorted */
    int errors;                     /* things found that a cluster would refuse */

    struct settings settings; /* not of openfaas.com/v1 */
    int64_t replicas;         /* of apps/v1; 0: the cluster decides */
};

/* Prints "bandog: FILE:LINE: function NAME: ..." and counts it. */
void workload_error(struct workload *w, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Names, labels and amounts, as every API wants them. */
void workload_check(struct workload *w);

/* A Pod can have a constraint only as "LABEL=VALUE": a row of its node selector. */
void workload_check_constraints(struct workload *w);
struct pair constraint_split(struct bd_arena *a, const char *constraint);

/*
 * Finds `settings` in the environment, else in the image's. Values that the watchdog would refuse,
 * or replace by others, are errors.
 */
void settings_read(struct workload *w);

/* Begins the document and its metadata: two maps for emit_end(). */
void write_head(struct emit *e, const char *api, const char *kind, const struct workload *w);

/* Limits or requests: a map of what is there. */
void write_amounts(struct emit *e, const char *key, const struct resources *r);

/* Parts of a Pod. In its environment $(NAME) is text, as in the stack file. */
void pod_env(struct emit *e, const struct workload *w);

/* Begins a map, times may follow. `port` is its name in the container; NULL: its only one. */
void pod_probe(struct emit *e, const char *key, const char *path, const char *port);

void pod_resources(struct emit *e, const struct function *f);

/* Where secrets and, with a read-only root, temporary files are. Nothing without either. */
void pod_volume_mounts(struct emit *e, const struct workload *w);
void pod_volumes(struct emit *e, const struct workload *w);

/* The documents. */
void write_function(struct emit *e, const struct workload *w);
void write_knative(struct emit *e, const struct workload *w);
void write_deployment(struct emit *e, const struct workload *w);

#endif
