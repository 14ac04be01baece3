#!/bin/bash
# The body comes on stdin, the request's other parts as variables: Http_Method, Http_Path, Http_Query, and one
# for each header, such as Http_Content_Type. What is printed is the answer; stderr goes to the log.
set -euo pipefail

printf '%s %s\n' "${Http_Method:-}" "${Http_Path:-}" >&2

name=$(cat)
printf 'Hello, %s!\n' "$name"
