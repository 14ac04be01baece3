/*
 * init.h - the duties of process 1 in a container
 *
 * Orphans of the whole container become its children and have to be reaped, and signals meant for
 * the program reach it. A parent does that, so that the program need not know the difference.
 */
#ifndef WATCHDOG_PROC_INIT_H
#define WATCHDOG_PROC_INIT_H

/*
 * Forks: the caller goes on in the new process, the old one becomes an init for it and ends when
 * it does, with its status, or 128 + N after signal N. For main(), when getpid() is 1: with all
 * signals blocked and before there are threads. 0, or a negative UV_E code, then nothing happened.
 */
int init_fork(void);

#endif
