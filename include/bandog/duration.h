/*
 * duration.h - lengths of time as users write them: "30", "1.5s", "1h30m", "100ms"
 *
 * In nanoseconds, signed. The grammar and the printed form are those of Go's time package, because
 * that is what is written in existing Dockerfiles and what log scrapers read.
 */
#ifndef BANDOG_DURATION_H
#define BANDOG_DURATION_H

#include <stddef.h>
#include <stdint.h>

#define BD_NS_PER_US INT64_C(1000)
#define BD_NS_PER_MS INT64_C(1000000)
#define BD_NS_PER_S INT64_C(1000000000)
#define BD_DURATION_BYTES 32 /* room for the printed form and its NUL */

/* [+-]? ( "0" | ( number unit )+ ); 0, or -1 when it is not a duration or out of range. */
int bd_duration_parse_units(const char *text, int64_t *ret_ns);

/*
 * A setting: a whole number >= 0 is seconds, anything else as above. 0; -1 not a duration;
 * -2 whole seconds beyond the range, which the Go programs let wrap to a negative value.
 */
int bd_duration_parse(const char *text, int64_t *ret_ns);

/* Seconds as a plain number with so many decimals (1 to 9), rounded: "0.0021"; returns `buf`. */
char *bd_seconds_print(char buf[BD_DURATION_BYTES], int64_t ns, int decimals);

/* "0s" "1.5ms" "1m0s" "36h0m0s"; returns `buf`. */
char *bd_duration_print(char buf[BD_DURATION_BYTES], int64_t ns);

#endif
