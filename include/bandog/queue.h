/*
 * queue.h - an intrusive, circular, doubly linked list
 *
 * The head is a link of its own. A link that is not in a list points at itself, so leaving a list
 * twice is harmless and no flag "am I in it?" is needed.
 */
#ifndef BANDOG_QUEUE_H
#define BANDOG_QUEUE_H

#include <stdbool.h>
#include <stddef.h>

struct bd_queue {
    struct bd_queue *next, *prev;
};

/* The object of type `type` whose member `member` is the link `q`. */
#define BD_CONTAINER(q, type, member) ((type *)(void *)((char *)(q)-offsetof(type, member)))

static inline void bd_queue_init(struct bd_queue *q)
{
    q->next = q->prev = q;
}

static inline bool bd_queue_empty(const struct bd_queue *q)
{
    return q->next == q;
}

static inline void bd_queue_push(struct bd_queue *head, struct bd_queue *q)
{
    q->next = head;
    q->prev = head->prev;
    head->prev->next = q;
    head->prev = q;
}

static inline void bd_queue_remove(struct bd_queue *q)
{
    q->prev->next = q->next;
    q->next->prev = q->prev;
    bd_queue_init(q);
}

/* Takes the first link out; NULL when there is none. */
static inline struct bd_queue *bd_queue_shift(struct bd_queue *head)
{
    struct bd_queue *q = head->next;

    if (q == head)
        return NULL;
    bd_queue_remove(q);
    return q;
}

#endif
