#include "function.h"

void handle(const struct request *request, struct response *response)
{
    response_field(response, "Content-Type", "text/plain; charset=utf-8");
    response_printf(response, "Hello! You said: ");
    response_write(response, request->body, request->body_size);
    response_printf(response, "\n");
}
