/*
 * exit_status.h - exit_status_map: statuses for programs that can only choose how they exit
 */
#ifndef MODES_EXIT_STATUS_H
#define MODES_EXIT_STATUS_H

#include <stdint.h>

#include "bandog/error.h"

#define EXIT_STATUSES 256

/*
 * Reads "3=404 22=422": exit statuses 1 to 255, HTTP statuses 200 to 599, blanks or commas between.
 * What is not in it gets 0. 0, or -1 with a sentence.
 */
int exit_status_parse(uint16_t ret_status_of[EXIT_STATUSES], const char *text,
                      struct bd_error *err);

#endif
