#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "function.h"

int main(void)
{
    static const char wanted[] = "Hello! You said: hi\n";
    struct request request = {
        .method = "POST", .path = "/", .query = "", .body = "hi", .body_size = 2};
    struct response response = {.status = 200};

    handle(&request, &response);

    assert(response.status == 200 && !response.failed);
    assert(response.body.size == strlen(wanted));
    assert(memcmp(response.body.data, wanted, response.body.size) == 0);
    response_release(&response);
    return 0;
}
