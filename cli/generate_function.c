/*
 * generate_function.c - openfaas.com/v1: what OpenFaaS's operator makes a function of
 */
#include "generate.h"

void write_function(struct emit *e, const struct workload *w)
{
    const struct function *f = w->function;

    write_head(e, "openfaas.com/v1", "Function", w);
    emit_end(e);
    emit_key_map(e, "spec");
    emit_key_text(e, "name", w->name);
    emit_key_text(e, "image", w->image);
    emit_key_pairs(e, "environment", &w->environment);
    emit_key_pairs(e, "labels", &w->labels);
    emit_key_pairs(e, "annotations", &w->annotations);
    write_amounts(e, "limits", &f->limits);
    write_amounts(e, "requests", &f->requests);
    emit_key_texts(e, "constraints", &f->constraints);
    emit_key_texts(e, "secrets", &w->secrets);
    if (f->readonly_root_filesystem)
        emit_key_bool(e, "readOnlyRootFilesystem", true);
    emit_end(e);
    emit_end(e);
}
