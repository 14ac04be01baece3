#!/bin/bash
set -euo pipefail

cd "$(dirname "$0")"

answer=$(printf 'you' | Http_Method=POST Http_Path=/ ./handler.sh)
if [ "$answer" != 'Hello, you!' ]; then
    printf 'the wrong greeting: %s\n' "$answer" >&2
    exit 1
fi
