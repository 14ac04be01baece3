/*
 * banned.h - calls that are not made in this code base
 *
 * Included before every source file by the Makefile. Each has a bounded or clearer replacement:
 * snprintf, memcpy with a length, strtol with checks, posix_spawn's own successor in proc/.
 */
#ifndef BANDOG_BANNED_H
#define BANDOG_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok
#pragma GCC poison atoi atol atoll atof
#pragma GCC poison gmtime localtime ctime asctime
#pragma GCC poison system popen

#endif
