/*
 * modes_list.h - one line for each mode; the only other place a new one is named is modes.c
 */
#ifndef MODES_LIST_H
#define MODES_LIST_H

#include "bandog/mode.h"

extern const struct bd_mode mode_classic;
extern const struct bd_mode mode_streaming;
extern const struct bd_mode mode_serializing;
extern const struct bd_mode mode_cgi;
extern const struct bd_mode mode_http;
extern const struct bd_mode mode_static;

#endif
