#!/bin/sh
# A function: reads the request's body, prints the answer.
tr '[:lower:]' '[:upper:]'
