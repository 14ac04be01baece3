/*
 * md5.c - see md5.h
 */
#include "md5.h"

#include <stdio.h>
#include <string.h>

/* The integer part of 2^32 times abs(sin(i + 1)), RFC 1321, 3.4. */
static const uint32_t table[64] = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
};

static const unsigned shifts[4][4] = {
    {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

static uint32_t rotated(uint32_t x, unsigned n)
{
    return x << n | x >> (32 - n);
}

static uint32_t mixed(unsigned round, uint32_t b, uint32_t c, uint32_t d)
{
    switch (round) {
    case 0:
        return (b & c) | (~b & d);
    case 1:
        return (b & d) | (c & ~d);
    case 2:
        return b ^ c ^ d;
    default:
        return c ^ (b | ~d);
    }
}

static void block(struct md5 *m)
{
    static const unsigned step[4] = {1, 5, 3, 7}, first[4] = {0, 1, 5, 0};
    uint32_t x[16], s[4];

    for (unsigned i = 0; i < 16; i++) {
        const unsigned char *p = m->block + 4 * i;

        x[i] = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
    }
    memcpy(s, m->state, sizeof(s));
    for (unsigned i = 0; i < 64; i++) {
        unsigned round = i / 16;
        uint32_t sum = s[0] + mixed(round, s[1], s[2], s[3]) + table[i] +
                       x[(first[round] + step[round] * i) % 16];

        s[0] = s[3];
        s[3] = s[2];
        s[2] = s[1];
        s[1] += rotated(sum, shifts[round][i % 4]);
    }
    for (unsigned i = 0; i < 4; i++)
        m->state[i] += s[i];
}

void md5_init(struct md5 *m)
{
    *m = (struct md5){.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};
}

void md5_add(struct md5 *m, struct bd_slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        m->block[m->bytes++ % 64] = (unsigned char)s.p[i];
        if (m->bytes % 64 == 0)
            block(m);
    }
}

void md5_hex(struct md5 *m, char ret_hex[33])
{
    uint64_t bits = m->bytes * 8;
    char length[8];

    for (unsigned i = 0; i < 8; i++)
        length[i] = (char)(bits >> 8 * i);
    md5_add(m, (struct bd_slice){"\x80", 1});
    while (m->bytes % 64 != 56)
        md5_add(m, (struct bd_slice){"", 1});
    md5_add(m, (struct bd_slice){length, 8});
    for (unsigned i = 0; i < 16; i++)
        snprintf(ret_hex + 2 * i, 3, "%02x", m->state[i / 4] >> 8 * (i % 4) & 255);
}
