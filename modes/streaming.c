/*
 * streaming.c - mode=streaming: what the process prints is the answer, as it prints it
 */
#include "modes_list.h"
#include "stream.h"

static const struct bd_option streaming_options[] = {
    OF_WATCHDOG_FORK_OPTIONS(struct stream_conf),
    {FORK_OPTION_CGI_RESPONSE(struct stream_conf)},
    {.name = NULL},
};

static int streaming_init(void *conf, struct bd_error *err)
{
    return fork_init(&((struct stream_conf *)conf)->fork, ENVIRON_REQUEST, err);
}

static void streaming_start(struct bd_exchange *x)
{
    const struct stream_conf *conf = x->conf;
    struct stream *s = stream_new(x, ENVIRON_REQUEST);

    s->headed = conf->fork.cgi_response;
    stream_begin(s);
}

const struct bd_mode mode_streaming = {
    .name = "streaming",
    .summary = "a process for each request, its output streamed as it comes",
    .family = BD_OTHERS,
    .option = streaming_options,
    .conf_bytes = sizeof(struct stream_conf),
    .init = streaming_init,
    .check = stream_check,
    .lingers = true,
    .start = streaming_start,
    .body = fork_body,
    .body_end = fork_body_end,
    .drain = stream_drain,
    .abort = stream_abort,
    .finish = stream_finish,
};
