/*
 * main.c - bandog: finds the command and runs it
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bandog/arena.h"
#include "bandog/version.h"
#include "command.h"
#include "completion.h"
#include "guard.h"
#include "match.h"
#include "watchdog.h"

static void usage(void)
{
    printf("Usage: bandog COMMAND [OPTIONS]\n\n"
           "From nothing to a running function: scaffolding, builds, and running without a "
           "container.\n\n"
           "Commands:\n");
    for (const struct command *const *c = commands; *c; c++)
        printf("  %-20s %s\n", (*c)->name, (*c)->summary);
    printf("\n'bandog COMMAND --help' explains one; 'bandog --version' tells the version.\n");
}

static int help(const struct command *c)
{
    printf("Usage: bandog %s%s%s%s\n\n%s.\n", c->name, c->flags ? " [OPTIONS]" : "",
           c->operands ? " " : "", c->operands ? c->operands : "", c->summary);
    if (c->details)
        printf("\n%s", c->details);
    printf("\nOptions:\n");
    flags_explain(c->flags);
    return EXIT_OK;
}

/* --help anywhere before "--" wins over what else is wrong. */
static bool wants_help(int argc, char **argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static int run(const struct command *c, int argc, char **argv, struct bd_arena *a)
{
    struct texts operands = {0};
    void *options = bd_arena_alloc(a, c->bytes + 1);
    int status;

    if (wants_help(argc, argv))
        return help(c);
    memset(options, 0, c->bytes + 1);
    status = flags_read(c, argc, argv, options, &operands, a);
    return status ? status : c->run(options, &operands, a);
}

/* How many of the arguments are the command's name: 0, or its words. */
static int words_match(const struct command *c, int argc, char **argv)
{
    const char *name = c->name;

    for (int words = 1; words <= argc; words++) {
        size_t len = strlen(argv[words - 1]);

        if (strncmp(name, argv[words - 1], len) != 0 || len == 0)
            return 0;
        if (name[len] == '\0')
            return words;
        if (name[len] != ' ')
            return 0;
        name += len + 1;
    }
    return 0;
}

/* The commands of a group, "template", as far as there is one. */
static int group(const char *word, bool is_error)
{
    size_t len = strlen(word);
    FILE *to = is_error ? stderr : stdout;
    bool found = false;

    for (const struct command *const *c = commands; *c; c++) {
        if (strncmp((*c)->name, word, len) != 0 || (*c)->name[len] != ' ')
            continue;
        if (!found)
            fprintf(to, "Usage: bandog %s COMMAND [OPTIONS]\n\nCommands:\n", word);
        found = true;
        fprintf(to, "  %-20s %s\n", (*c)->name, (*c)->summary);
    }
    return found ? (is_error ? EXIT_USAGE : EXIT_OK) : -1;
}

static int unknown(const char *word, struct bd_arena *a)
{
    struct texts names = {0};
    const char *near;

    for (const struct command *const *c = commands; *c; c++)
        texts_add(a, &names, (*c)->name);
    near = nearest(word, names.text);
    if (near)
        complain("unknown command '%s' (did you mean %s?)", word, near);
    else
        complain("unknown command '%s'", word);
    fprintf(stderr, "See 'bandog --help'.\n");
    return EXIT_USAGE;
}

static int dispatch(int argc, char **argv, struct bd_arena *a);

/* "help template pull" is "template pull --help". */
static int help_on(int words, char **word, struct bd_arena *a)
{
    char **argv = bd_arena_alloc(a, ((size_t)words + 2) * sizeof(*argv));

    memcpy(argv, word, (size_t)words * sizeof(*argv));
    argv[words] = "--help";
    argv[words + 1] = NULL;
    return dispatch(words + 1, argv, a);
}

static int dispatch(int argc, char **argv, struct bd_arena *a)
{
    int status;

    if (argc > 0 && strcmp(argv[0], COMPLETION_WORD) == 0)
        return completion_print(argc - 1, argv + 1, a);
    if (argc == 0 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        usage();
        return EXIT_OK;
    }
    if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "version") == 0) {
        say("bandog %s (%s)", bd_version, bd_sha);
        return EXIT_OK;
    }
    if (strcmp(argv[0], "help") == 0)
        return help_on(argc - 1, argv + 1, a);
    for (const struct command *const *c = commands; *c; c++) {
        int words = words_match(*c, argc, argv);

        if (words)
            return run(*c, argc - words, argv + words, a);
    }
    status = group(argv[0], argc > 1 && !wants_help(argc, argv));
    return status >= 0 ? status : unknown(argv[0], a);
}

/*
 * So that no file of ours ever gets the number of a stream that was closed. What is then written to
 * stdout must still fail, and so each is opened for the wrong direction.
 */
static void open_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) != fd)
            abort();
}

int main(int argc, char **argv)
{
    struct bd_arena arena;
    int status;

    open_standard_descriptors();
    if (watchdog_is_meant(argc, argv))
        return watchdog_become(argv);
    if (guard_is_meant(argc, argv))
        return guard_become(argv);
    signal(SIGPIPE, SIG_IGN);
    say_open();
    bd_arena_init(&arena);
    status = say_close(dispatch(argc - 1, argv + 1, &arena));
    bd_arena_release(&arena);
    return status;
}
