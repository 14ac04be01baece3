/*
 * hash.c - see bandog/hash.h
 *
 * J.-P. Aumasson, D. J. Bernstein: SipHash, a fast short-input PRF (2012).
 */
#include "bandog/hash.h"

#include <errno.h>
#include <sys/random.h>

static uint64_t key[2];

struct state {
    uint64_t a, b, c, d;
};

static uint64_t rotate(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

static void mix(struct state *s, int rounds)
{
    while (rounds-- > 0) {
        s->a += s->b;
        s->c += s->d;
        s->b = rotate(s->b, 13) ^ s->a;
        s->d = rotate(s->d, 16) ^ s->c;
        s->a = rotate(s->a, 32);
        s->c += s->b;
        s->a += s->d;
        s->b = rotate(s->b, 17) ^ s->c;
        s->d = rotate(s->d, 21) ^ s->a;
        s->c = rotate(s->c, 32);
    }
}

static void absorb(struct state *s, uint64_t word)
{
    s->d ^= word;
    mix(s, 2);
    s->a ^= word;
}

void bd_hash_init(void)
{
    while (getrandom(key, sizeof(key), 0) != (ssize_t)sizeof(key) && errno == EINTR)
        ;
}

static uint64_t hash(struct bd_slice s, bool fold)
{
    struct state state = {
        key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
        key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    uint64_t word = 0;

    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)(fold ? bd_ascii_lower(s.p[i]) : s.p[i]);

        word |= (uint64_t)c << (8 * (i & 7));
        if ((i & 7) == 7) {
            absorb(&state, word);
            word = 0;
        }
    }
    absorb(&state, word | (uint64_t)s.len << 56);
    state.c ^= 0xff;
    mix(&state, 4);
    return state.a ^ state.b ^ state.c ^ state.d;
}

uint64_t bd_hash(struct bd_slice s)
{
    return hash(s, false);
}

uint64_t bd_ihash(struct bd_slice s)
{
    return hash(s, true);
}
