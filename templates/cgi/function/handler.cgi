#!/bin/sh
# Any CGI program can be here, in any language: its output begins with fields, then an empty line, then the body.
set -eu

case $PATH_INFO in
/)
    printf 'Content-Type: text/plain\n\n'
    printf 'Hello! You asked: %s\n' "$QUERY_STRING"
    ;;
*)
    printf 'Status: 404 Not Found\nContent-Type: text/plain\n\n'
    printf 'There is no %s here.\n' "$PATH_INFO"
    ;;
esac
