/*
 * words.h - a command line becomes words
 */
#ifndef WATCHDOG_PROC_WORDS_H
#define WATCHDOG_PROC_WORDS_H

#include "bandog/error.h"

/*
 * By the first rule that fits: a JSON array of strings when `line` starts with '['; POSIX shell
 * words, nothing expanded, when it holds a quote; else cut at every single space. NULL with a
 * sentence when the line is not well-formed; else one allocation, to be freed: at least one word,
 * any of which may be empty, and NULL.
 */
char **words_split(const char *line, struct bd_error *err);

#endif
