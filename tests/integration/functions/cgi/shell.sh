#!/bin/sh
# A CGI program in POSIX sh.
case $PATH_INFO in
/hello)
    printf 'Content-Type: text/plain\n\n'
    printf 'Hello %s, %s\n' "$REMOTE_ADDR" "$QUERY_STRING"
    ;;
/count)
    printf 'Content-Type: text/plain\r\n\r\n'
    head -c "${CONTENT_LENGTH:-0}" | wc -c
    ;;
/old) printf 'Location: /hello?from=%s\n\n' "$QUERY_STRING" ;;
/made)
    printf 'Status: 201 Quite New\nLocation: /things/1\nContent-Type: text/plain\n\n'
    printf 'made\n'
    ;;
/page)
    if [ "${HTTP_IF_NONE_MATCH:-}" = '"v1"' ]; then
        printf 'Status: 304 Not Modified\nETag: "v1"\n\n'
    else
        printf 'Content-Type: text/html\nETag: "v1"\n\n<p>page</p>\n'
    fi
    ;;
/ticks) # each waits for somebody to open the gate
    printf 'Content-Type: text/event-stream\n\n'
    for i in 1 2 3; do
        printf 'data: %s\n\n' "$i"
        read -r _ <"$GATE"
    done
    ;;
*) printf 'Status: 404\nContent-Type: text/plain\n\nno %s\n' "$PATH_INFO" ;;
esac
