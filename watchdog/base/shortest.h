/*
 * shortest.h - floating point numbers in as few digits as tell them from all others
 */
#ifndef WATCHDOG_BASE_SHORTEST_H
#define WATCHDOG_BASE_SHORTEST_H

#define SHORTEST_BYTES 32

/*
 * As Go's strconv.FormatFloat(v, 'g', -1, 64), which Prometheus texts use: "0.006647554", "5",
 * "1.0682368e+07", an exponent below 1e-4 and from 1e+06 on. `v` is finite. Returns `buf`.
 */
char *shortest_print(char buf[SHORTEST_BYTES], double v);

#endif
