#!/bin/sh
set -eu

cd "$(dirname "$0")"

answer=$(REQUEST_METHOD=GET PATH_INFO=/ QUERY_STRING='the way' ./handler.cgi)
expected='Content-Type: text/plain

Hello! You asked: the way'
if [ "$answer" != "$expected" ]; then
    printf 'the wrong answer: %s\n' "$answer" >&2
    exit 1
fi
