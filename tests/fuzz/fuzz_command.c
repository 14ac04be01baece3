/* Command lines: any text gives words or a sentence; the words are what the splitter promises. */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "watchdog/proc/command.c"
#include "watchdog/proc/outcome.c"
#include "watchdog/proc/quote.c"
#include "watchdog/proc/words.c"

/* Joined by single spaces they are the line again. */
static void check_plain(const char *line, char *const *word)
{
    for (; *word; word++) {
        size_t len = strlen(*word);

        assert(strncmp(line, *word, len) == 0);
        line += len;
        assert(*line == (word[1] ? ' ' : '\0'));
        line++;
    }
}

static void check_quote(const char *text)
{
    char quoted[64];
    size_t len = strlen(quote_go(quoted, sizeof(quoted), text));

    assert(len >= 2 && quoted[0] == '"' && quoted[len - 1] == '"');
    for (size_t i = 0; i < len; i++)
        assert((unsigned char)quoted[i] >= 0x20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1);
    struct bd_command c;
    struct bd_error err = {""};

    assert(line);
    memcpy(line, data, size);
    line[size] = '\0';
    check_quote(line);
    if (bd_command_parse(&c, line, NULL, &err) == 0) {
        assert(c.argv[0]);
        assert(c.path || c.error.text[0]);
        if (*line != '[' && !strpbrk(line, "'\""))
            check_plain(line, c.argv);
        free((void *)c.argv);
        free((void *)c.path);
    } else {
        assert(err.text[0]);
    }
    free(line);
    return 0;
}
