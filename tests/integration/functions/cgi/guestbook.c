/* A CGI program as they were in 1994: a fixed buffer, atoi and printf. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void decode(char *s)
{
    char hex[3] = "", *out = s;
    for (; *s; s++)
        if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
            memcpy(hex, s + 1, 2);
            *out++ = (char)strtol(hex, NULL, 16);
            s += 2;
        } else {
            *out++ = *s == '+' ? ' ' : *s;
        }
    *out = '\0';
}

int main(void)
{
    char input[1024] = "";
    const char *method = getenv("REQUEST_METHOD"), *length = getenv("CONTENT_LENGTH"), *host = getenv("REMOTE_HOST");
    printf("Content-type: text/html\n\n");
    if (method && !strcmp(method, "POST") && length && atoi(length) < (int)sizeof input)
        input[fread(input, 1, (size_t)atoi(length), stdin)] = '\0';
    else if (getenv("QUERY_STRING"))
        snprintf(input, sizeof input, "%s", getenv("QUERY_STRING"));
    for (char *pair = strtok(input, "&"); pair; pair = strtok(NULL, "&")) {
        decode(pair);
        printf("<LI>%s\n", pair);
    }
    printf("<ADDRESS>%s, %s</ADDRESS>\n", host ? host : "", getenv("SERVER_SOFTWARE"));
    return 0;
}
