/*
 * slots.h - the folders of a function's versions while `bandog dev` runs it: build/.dev/NAME.0,
 * NAME.1, ...
 *
 * Each version has one for as long as one of its processes runs. Those of the last one find what
 * they were started with, also when the next one turns out to be broken.
 */
#ifndef BANDOG_CLI_SLOTS_H
#define BANDOG_CLI_SLOTS_H

#include <stdbool.h>

#include "bandog/arena.h"
#include "bandog/error.h"

#define SLOTS 16

struct slots {
    const char *function;
    int lock;         /* of a file */
    bool used[SLOTS]; /* the owner says when */
};

/* Fails when another program has this function's slots in this folder. */
int slots_open(struct slots *s, const char *function, struct bd_error *err);
void slots_close(struct slots *s);

/* Is there a program that has opened them? */
bool slots_are_used(const char *function);

/* One that is not used: the one shown, so that what was installed there serves again, else the
 * first. -1: none. */
int slots_choose(const struct slots *s, unsigned *ret_slot);

const char *slots_folder(struct bd_arena *a, const struct slots *s, unsigned slot);

/* build/NAME becomes a link to it; a folder that was there is removed. */
int slots_show(struct bd_arena *a, const struct slots *s, unsigned slot, struct bd_error *err);

#endif
