/*
 * completion.c - see completion.h
 */
#include "completion.h"

#include <stdio.h>
#include <string.h>

#include "command.h"
#include "stack.h"
#include "template.h"

struct completing {
    struct bd_arena *arena;
    int words;
    char **word;
    const char *typed; /* the last word */
};

/* Bytes of the command's name that the words spell, 0: they are others. All words but the typed one
 * are complete. */
static const struct command *find_command(const struct completing *c, int *ret_words)
{
    const struct command *found = NULL;

    *ret_words = 0;
    for (const struct command *const *p = commands; *p; p++) {
        const char *name = (*p)->name;
        int n = 0;

        while (n < c->words - 1) {
            size_t len = strlen(c->word[n]);

            if (len == 0 || strncmp(name, c->word[n], len) != 0 || (name[len] && name[len] != ' '))
                break;
            n++;
            name += len + (name[len] == ' ');
            if (*name == '\0')
                break;
        }
        if (*name == '\0' && n > *ret_words) {
            found = *p;
            *ret_words = n;
        }
    }
    return found;
}

static void offer(const struct completing *c, const char *prefix, const char *text)
{
    static const char safe[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@._+-";

    if (text[strspn(text, safe)]) /* a folder may be called anything, and a shell would heed it */
        return;
    if (strncmp(text, c->typed + strlen(prefix), strlen(c->typed) - strlen(prefix)) == 0)
        printf("%s%s\n", prefix, text);
}

/* The next word of the commands that begin with the words before it. */
static void offer_commands(const struct completing *c)
{
    struct texts seen = {0};

    for (const struct command *const *p = commands; *p; p++) {
        const char *name = (*p)->name;
        int n = 0;

        for (; n < c->words - 1; n++) {
            size_t len = strlen(c->word[n]);

            if (strncmp(name, c->word[n], len) != 0 || name[len] != ' ')
                break;
            name += len + 1;
        }
        if (n == c->words - 1)
            texts_add(c->arena, &seen,
                      bd_arena_copy(c->arena, (struct bd_slice){name, strcspn(name, " ")}));
    }
    if (c->words == 1) {
        texts_add(c->arena, &seen, "help");
        texts_add(c->arena, &seen, "version");
    }
    texts_sort(&seen);
    for (size_t i = 0; i < seen.count; i++)
        offer(c, "", seen.text[i]);
}

static void offer_options(const struct completing *c, const struct command *command)
{
    for (const struct flag *f = command->flags; f && f->name; f++)
        offer(c, "", bd_arena_printf(c->arena, "--%s", f->name));
    offer(c, "", "--help");
}

static void offer_words(const struct completing *c, const char *prefix, const char *const *words)
{
    for (; words && *words; words++)
        offer(c, prefix, *words);
}

static void offer_templates(const struct completing *c, const char *prefix)
{
    struct template *t;
    size_t count;

    template_list(c->arena, &t, &count);
    for (size_t i = 0; i < count; i++)
        offer(c, prefix, t[i].name);
}

/* What -f names, else the default; nothing is said when it cannot be read. */
static void offer_functions(const struct completing *c)
{
    const char *path = stack_default_path();
    struct bd_error ignored;
    struct stack s;

    for (int i = 0; i + 2 < c->words; i++)
        if (strcmp(c->word[i], "-f") == 0 || strcmp(c->word[i], "--yaml") == 0)
            path = c->word[i + 1];
    if (!path || !freopen("/dev/null", "w", stderr) ||
        stack_read(c->arena, path, true, &s, &ignored))
        return;
    for (size_t i = 0; i < s.functions; i++)
        offer(c, "", s.function[i].name);
}

static void offer_value(const struct completing *c, const struct flag *f, const char *prefix)
{
    if (f->type == FLAG_SWITCH) {
        offer(c, prefix, "true");
        offer(c, prefix, "false");
        return;
    }
    offer_words(c, prefix, f->words);
    switch (f->offer) {
    case OFFER_NOTHING:
        return;
    case OFFER_FILES:
        puts(":files");
        return;
    case OFFER_FOLDERS:
        puts(":folders");
        return;
    case OFFER_TEMPLATES:
        offer_templates(c, prefix);
        return;
    }
}

/* The option that a word is: "--name", "-n"; with `len` the bytes of its name are given. */
static const struct flag *find_flag(const struct command *command, const char *word, size_t len)
{
    for (const struct flag *f = command->flags; f && f->name; f++)
        if ((len > 2 && strncmp(word, "--", 2) == 0 && strlen(f->name) == len - 2 &&
             memcmp(f->name, word + 2, len - 2) == 0) ||
            (len == 2 && word[0] == '-' && f->letter && word[1] == f->letter))
            return f;
    return NULL;
}

static void complete(const struct completing *c)
{
    int words;
    const struct command *command = find_command(c, &words);
    const char *before = c->words - 2 >= words ? c->word[c->words - 2] : "";
    const char *equals = strchr(c->typed, '=');
    const struct flag *f;

    if (!command) {
        offer_commands(c);
        return;
    }
    f = find_flag(command, before, strlen(before));
    if (f && f->type != FLAG_SWITCH) {
        offer_value(c, f, "");
    } else if (c->typed[0] == '-' && equals) {
        f = find_flag(command, c->typed, (size_t)(equals - c->typed));
        if (f)
            offer_value(c, f,
                        bd_arena_copy(c->arena, (struct bd_slice){
                                                    c->typed, (size_t)(equals + 1 - c->typed)}));
    } else if (c->typed[0] == '-') {
        offer_options(c, command);
    } else {
        offer_commands(c); /* "template pull" may go on with "stack" */
        offer_words(c, "", command->words);
        if (command->offer == OPERANDS_FUNCTIONS)
            offer_functions(c);
    }
}

int completion_print(int words, char **word, struct bd_arena *a)
{
    struct completing c = {a, words, word, words ? word[words - 1] : ""};

    if (words > 0)
        complete(&c);
    return EXIT_OK;
}

static const char bash[] =
    "# bandog's completion for bash:  source <(bandog completion bash)\n"
    "_bandog() {\n"
    "    local line words=(\"${COMP_WORDS[@]:1:COMP_CWORD}\") word=${COMP_WORDS[COMP_CWORD]}\n"
    "    COMPREPLY=()\n"
    "    # bash cuts words at '=': \"--tag\" \"=\" \"sha\" is one of ours\n"
    "    if [[ $word == '=' && COMP_CWORD -gt 1 ]]; then\n"
    "        words=(\"${COMP_WORDS[@]:1:COMP_CWORD-2}\" \"${COMP_WORDS[COMP_CWORD-1]}=\") word=\n"
    "    elif [[ COMP_CWORD -gt 2 && ${COMP_WORDS[COMP_CWORD-1]} == '=' ]]; then\n"
    "        words=(\"${COMP_WORDS[@]:1:COMP_CWORD-3}\" \"${COMP_WORDS[COMP_CWORD-2]}=$word\")\n"
    "    fi\n"
    "    while IFS= read -r line; do\n"
    "        case $line in\n"
    "        :files) compopt -o filenames; mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f "
    "-- \"$word\") ;;\n"
    "        :folders) compopt -o filenames; mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen "
    "-d -- \"$word\") ;;\n"
    "        --*=*) COMPREPLY+=(\"${line#*=}\") ;;\n"
    "        *) COMPREPLY+=(\"$line\") ;;\n"
    "        esac\n"
    "    done < <(\"${COMP_WORDS[0]}\" " COMPLETION_WORD " \"${words[@]}\" 2>/dev/null)\n"
    "}\n"
    "complete -F _bandog bandog\n";

static const char zsh[] =
    "#compdef bandog\n"
    "# bandog's completion for zsh:  source <(bandog completion zsh), or as _bandog in a folder of "
    "$fpath\n"
    "_bandog() {\n"
    "    local line\n"
    "    local -a found\n"
    "    while IFS= read -r line; do\n"
    "        case $line in\n"
    "        :files) _files ;;\n"
    "        :folders) _files -/ ;;\n"
    "        *) found+=(\"$line\") ;;\n"
    "        esac\n"
    "    done < <(\"${words[1]}\" " COMPLETION_WORD " \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
    "    compadd -a found\n"
    "}\n"
    "if [[ $funcstack[1] == _bandog ]]; then\n"
    "    _bandog \"$@\"\n"
    "elif (( $+functions[compdef] )); then\n"
    "    compdef _bandog bandog\n"
    "fi\n";

static const char *const shells[] = {"bash", "zsh", NULL};

static int run(const void *options, const struct texts *operands, struct bd_arena *a)
{
    (void)options;
    (void)a;
    if (strcmp(operands->text[0], "bash") == 0) {
        fputs(bash, stdout);
    } else if (strcmp(operands->text[0], "zsh") == 0) {
        fputs(zsh, stdout);
    } else {
        complain("completion: the shell is '%s', allowed: bash, zsh", operands->text[0]);
        fprintf(stderr, "See 'bandog completion --help'.\n");
        return EXIT_USAGE;
    }
    return EXIT_OK;
}

const struct command command_completion = {
    .name = "completion",
    .operands = "bash|zsh",
    .min = 1,
    .max = 1,
    .offer = OPERANDS_WORDS,
    .words = shells,
    .summary = "Print a script that completes bandog's words",
    .details =
        "For bash:  source <(bandog completion bash)\nFor zsh:   source <(bandog completion zsh)\n",
    .run = run,
};
