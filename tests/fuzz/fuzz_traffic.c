/*
 * Any bytes as both directions of a connection; 0x01 changes the direction. However they are cut,
 * the same is said; and a moment between two requests is as good as a beginning: who reads only
 * what follows says the same about it.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "traffic.h"

#define TURN 1

static void pass(struct traffic *t, bool from_client, const char *buf, size_t len)
{
    if (from_client)
        traffic_request(t, buf, len);
    else
        traffic_response(t, buf, len);
}

/* From a copy, so that nobody reads on behind it. */
static void pass_copy(struct traffic *t, bool from_client, const char *buf, size_t len)
{
    char *copy = malloc(len + !len);

    assert(copy);
    memcpy(copy, buf, len);
    pass(t, from_client, copy, len);
    free(copy);
}

static void check_equal(const struct traffic *a, const struct traffic *b)
{
    assert(a->lost == b->lost && traffic_is_between(a) == traffic_is_between(b));
    if (a->lost)
        return;
    assert(a->in_request == b->in_request && a->in_response == b->in_response);
    assert(a->waiting == b->waiting && a->heads == b->heads);
}

static void check_state(const struct traffic *t, bool was_lost)
{
    assert(t->lost || !was_lost);
    assert(!t->lost || !traffic_is_between(t));
    assert(t->waiting <= 64);
    if (!t->lost && t->waiting < 64)
        assert(t->heads >> t->waiting == 0);
}

/* All at once, byte by byte, and in pieces that grow. */
static void check_cuts(struct traffic t[3], bool from_client, const char *buf, size_t len)
{
    size_t at = 0;

    pass_copy(&t[0], from_client, buf, len);
    for (size_t i = 0; i < len; i++) {
        bool was_lost = t[1].lost;

        pass(&t[1], from_client, buf + i, 1);
        check_state(&t[1], was_lost);
    }
    for (size_t piece = 2; at < len; piece++) {
        size_t n = len - at < piece ? len - at : piece;

        pass(&t[2], from_client, buf + at, n);
        at += n;
    }
    check_equal(&t[0], &t[1]);
    check_equal(&t[0], &t[2]);
}

static size_t until_turn(const char *buf, size_t len)
{
    const char *turn = memchr(buf, TURN, len);

    return turn ? (size_t)(turn - buf) : len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *buf = (const char *)data, *end = buf + size;
    struct traffic t[3], fresh;
    bool from_client = true;

    if (size > 4096)
        return 0;
    for (size_t i = 0; i < 3; i++)
        traffic_init(&t[i]);
    traffic_init(&fresh);
    while (buf < end) {
        size_t len = until_turn(buf, (size_t)(end - buf));

        check_cuts(t, from_client, buf, len);
        pass(&fresh, from_client, buf, len);
        check_equal(&fresh, &t[0]);
        if (traffic_is_between(&fresh))
            traffic_init(&fresh);
        buf += len;
        buf += buf < end; /* the turn */
        from_client = !from_client;
    }
    return 0;
}
