/*
 * call_id.c - see call_id.h
 */
#include "call_id.h"

#include "bandog/hash.h"
#include "exchange.h"

#define UUID_BYTES 36

/*
 * The bits are a hash, under a secret key, of what no other call of this process has: whose it is,
 * and its number there. A call need not ask the kernel for them.
 */
static uint64_t make_bits(const struct host *h, uint64_t half)
{
    const uint64_t seed[] = {(uint64_t)(uintptr_t)h, h->call_ids, half};

    return bd_hash((struct bd_slice){(const char *)seed, sizeof(seed)});
}

static struct bd_slice make(struct exchange *x)
{
    static const char digit[] = "0123456789abcdef";
    char *text = bd_arena_alloc(&x->pub.arena, UUID_BYTES);
    uint64_t bits[2];
    int n = 0;

    x->host->call_ids++;
    bits[0] = (make_bits(x->host, 0) & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
    bits[1] = (make_bits(x->host, 1) & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
    for (int i = 0; i < UUID_BYTES; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            text[i] = '-';
            continue;
        }
        text[i] = digit[bits[n / 16] >> (60 - 4 * (n % 16)) & 15];
        n++;
    }
    return (struct bd_slice){text, UUID_BYTES};
}

/* As the last field, or in the place of an empty one. */
static void set_field(struct exchange *x, const struct bd_field *empty)
{
    struct bd_request *r = &x->pub.req;
    struct bd_field *field = bd_arena_alloc(&x->pub.arena, (r->fields + 1) * sizeof(*field));
    size_t at = empty ? (size_t)(empty - r->field) : r->fields++;

    memcpy(field, r->field, (r->fields - !empty) * sizeof(*field));
    field[at] = (struct bd_field){BD_SLICE("X-Call-Id"), x->pub.call_id};
    r->field = field;
}

void call_id_ensure(struct exchange *x)
{
    const struct bd_field *f = bd_request_field(&x->pub.req, BD_SLICE("x-call-id"));

    if (f && f->value.len > 0) {
        x->pub.call_id = f->value;
        return;
    }
    x->pub.call_id = make(x);
    set_field(x, f);
}
