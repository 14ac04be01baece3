/*
 * children.h - what a worker keeps for its children
 */
#ifndef WATCHDOG_PROC_CHILDREN_H
#define WATCHDOG_PROC_CHILDREN_H

struct bd_worker;

/*
 * Frees what the worker kept for its next child. On its thread, after the last child is gone; the
 * loop needs one more turn. A worker that never had a child is fine.
 */
void children_release(struct bd_worker *w);

#endif
