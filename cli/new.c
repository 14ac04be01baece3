/*
 * new.c - bandog new: a handler folder and its entry in the stack file
 *
 * Everything is looked at and put together first, and written last: what fails leaves nothing
 * behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "assembly.h"
#include "command.h"
#include "document.h"
#include "files.h"
#include "match.h"
#include "stack.h"
#include "stack_edit.h"
#include "tame.h"
#include "template.h"
#include "template_table.h"

#define GATEWAY "http://127.0.0.1:8080"

#ifndef RENAME_NOREPLACE /* of <linux/fs.h>, which musl is without */
#define RENAME_NOREPLACE 1
#endif

struct new_options {
    const char *lang, *handler, *prefix, *gateway, *append, *file, *output;
    const char *memory_limit, *cpu_limit, *memory_request, *cpu_request;
    bool quiet, list;
};

#define OPTION(member) offsetof(struct new_options, member)

static const char *const outputs[] = {"text", "json", NULL};

static const struct flag flags[] = {
    {.name = "lang",
     .letter = 'l',
     .type = FLAG_TEXT,
     .offer = OFFER_TEMPLATES,
     .offset = OPTION(lang),
     .value = "TEMPLATE",
     .help = "the template to start from"},
    {.name = "handler",
     .type = FLAG_TEXT,
     .offer = OFFER_FOLDERS,
     .offset = OPTION(handler),
     .value = "FOLDER",
     .help = "folder for its files, else its name"},
    {.name = "prefix",
     .letter = 'p',
     .type = FLAG_TEXT,
     .offset = OPTION(prefix),
     .value = "PREFIX",
     .help = "of the image's name, else OPENFAAS_PREFIX"},
    {.name = "gateway",
     .letter = 'g',
     .type = FLAG_TEXT,
     .offset = OPTION(gateway),
     .value = "URL",
     .help = "for a new stack file, else OPENFAAS_URL, else " GATEWAY},
    {.name = "append",
     .letter = 'a',
     .type = FLAG_TEXT,
     .offer = OFFER_FILES,
     .offset = OPTION(append),
     .value = "FILE",
     .help = "add to this stack file, which must be there"},
    {.name = "yaml",
     .letter = 'f',
     .type = FLAG_TEXT,
     .offer = OFFER_FILES,
     .offset = OPTION(file),
     .value = "FILE",
     .help = "the stack file to make or add to (default: stack.yaml where it is, else stack.yml)"},
    {.name = "memory-limit",
     .type = FLAG_TEXT,
     .offset = OPTION(memory_limit),
     .value = "QUANTITY",
     .help = "such as 64Mi"},
    {.name = "cpu-limit",
     .type = FLAG_TEXT,
     .offset = OPTION(cpu_limit),
     .value = "QUANTITY",
     .help = "such as 100m"},
    {.name = "memory-request",
     .type = FLAG_TEXT,
     .offset = OPTION(memory_request),
     .value = "QUANTITY",
     .help = "such as 32Mi"},
    {.name = "cpu-request",
     .type = FLAG_TEXT,
     .offset = OPTION(cpu_request),
     .value = "QUANTITY",
     .help = "such as 50m"},
    {.name = "quiet",
     .letter = 'q',
     .type = FLAG_SWITCH,
     .offset = OPTION(quiet),
     .help = "do not print the template's notes"},
    {.name = "list", .type = FLAG_SWITCH, .offset = OPTION(list), .help = "list the templates"},
    {.name = "output",
     .letter = 'o',
     .type = FLAG_WORD,
     .offset = OPTION(output),
     .value = "FORMAT",
     .initial = "text",
     .words = outputs,
     .help = "of --list"},
    {.name = NULL},
};

/* What will be written where. */
struct plan {
    const char *folder; /* the handler's */
    const char *stack_path;
    bool stack_is_new;
    struct bd_slice stack_text;
    const char *ignore; /* the new .gitignore; NULL: it is fine as it is */
};

static int usage(const char *text)
{
    complain("new: %s", text);
    fprintf(stderr, "See 'bandog new --help'.\n");
    return EXIT_USAGE;
}

static bool has_yaml_suffix(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot && (strcmp(dot, ".yml") == 0 || strcmp(dot, ".yaml") == 0);
}

static const char *or_environment(const char *value, const char *name)
{
    if (!value || !*value)
        value = getenv(name);
    return value && *value ? value : NULL;
}

static const char *gateway(struct bd_arena *a, const char *given)
{
    const char *url = or_environment(given, "OPENFAAS_URL");
    size_t len;

    if (!url)
        return GATEWAY;
    len = strlen(url);
    while (len > 1 && url[len - 1] == '/')
        len--;
    return bd_arena_copy(a, (struct bd_slice){url, len});
}

static const char *image(struct bd_arena *a, const char *given, const char *name)
{
    const char *prefix = or_environment(given, "OPENFAAS_PREFIX");
    size_t len = prefix ? strlen(prefix) : 0;

    while (len > 0 && prefix[len - 1] == '/')
        len--;
    return len ? bd_arena_printf(a, "%.*s/%s:latest", (int)len, prefix, name)
               : bd_arena_printf(a, "%s:latest", name);
}

static int plan_stack(struct bd_arena *a, const struct new_options *o, const struct function *f,
                      struct plan *p, struct bd_error *err)
{
    const char *found = stack_default_path();
    struct bd_slice text = {NULL, 0};

    if (o->append && !has_yaml_suffix(o->append))
        return bd_fail(err, "when appending to a stack the suffix should be .yml or .yaml: %s",
                       o->append);
    p->stack_path = o->append             ? o->append
                    : o->file && *o->file ? o->file
                    : found               ? found
                                          : "stack.yml";
    p->stack_is_new = !o->append && !path_exists(p->stack_path);
    if (!p->stack_is_new && file_read(a, p->stack_path, DOCUMENT_BYTES_MAX, &text, err))
        return -1;
    return stack_add(a, p->stack_path, text, gateway(a, o->gateway), f, &p->stack_text, err);
}

static bool has_line(struct bd_slice text, const char *wanted)
{
    size_t len = strlen(wanted);

    for (size_t at = 0; at + len <= text.len;) {
        const char *end = memchr(text.p + at, '\n', text.len - at);
        size_t line = end ? (size_t)(end - text.p) - at : text.len - at;

        if (line > 0 && text.p[at + line - 1] == '\r')
            line--;
        if (line == len && memcmp(text.p + at, wanted, len) == 0)
            return true;
        if (!end)
            return false;
        at = (size_t)(end - text.p) + 1;
    }
    return false;
}

static int plan_ignore(struct bd_arena *a, struct plan *p, struct bd_error *err)
{
    static const char *const wanted[] = {"template", "build", ".secrets"};
    struct bd_slice old = {"", 0};
    const char *text;

    if (path_exists(".gitignore") && file_read(a, ".gitignore", DOCUMENT_BYTES_MAX, &old, err))
        return -1;
    text = bd_arena_copy(a, old);
    if (old.len > 0 && old.p[old.len - 1] != '\n')
        text = bd_arena_printf(a, "%s\n", text);
    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
        if (!has_line(old, wanted[i])) {
            text = bd_arena_printf(a, "%s%s\n", text, wanted[i]);
            p->ignore = text;
        }
    return 0;
}

/* Fails with EEXIST when that is there, even as an empty folder. */
static int rename_to_new(const char *from, const char *to)
{
    if (syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS) /* not every file system can */
        return -1;
    if (mkdir(to, 0777))
        return -1;
    return rename(from, to); /* over an empty folder, which is ours */
}

/* The folder is filled beside its place and then put there, if nothing has come there meanwhile. */
static int create_folder(struct bd_arena *a, const struct template *t, const char *folder,
                         struct bd_error *err)
{
    const char *beside = bd_arena_printf(a, "%s.%d~", folder, (int)getpid());
    const char *slash = strrchr(folder, '/');
    struct assembly files;
    struct bd_error ignored;

    assembly_init(&files, a);
    if (template_add(t, t->handler_folder, "", &files, err))
        return -1;
    if (slash && slash > folder &&
        folder_make(bd_arena_copy(a, (struct bd_slice){folder, (size_t)(slash - folder)}), 0777,
                    err))
        return -1;
    if (assembly_create(&files, beside, err)) {
        folder_remove(beside, &ignored);
        return -1;
    }
    if (rename_to_new(beside, folder)) {
        bd_fail(err, "create %s: %s", folder, strerror(errno));
        folder_remove(beside, &ignored);
        return -1;
    }
    return 0;
}

/* How many of the folders above it are there. */
static size_t folders_there(struct bd_arena *a, const char *path)
{
    size_t n = 0;

    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/'))
        n += path_exists(bd_arena_copy(a, (struct bd_slice){path, (size_t)(slash - path)}));
    return n;
}

/* Takes away those above it but for the first `there`, as far as they are empty. */
static void remove_folders_above(struct bd_arena *a, const char *path, size_t there)
{
    char *above = bd_arena_copy(a, bd_slice_of(path)), *slash;

    while ((slash = strrchr(above, '/')) && slash > above) {
        *slash = '\0';
        if (folders_there(a, above) < there || rmdir(above))
            return;
    }
}

static int write_stack(const struct plan *p, struct bd_error *err)
{
    return p->stack_is_new ? file_create(p->stack_path, p->stack_text, 0666, err)
                           : file_write(p->stack_path, p->stack_text, 0666, err);
}

static int carry_out(struct bd_arena *a, const struct template *t, const struct plan *p,
                     struct bd_error *err)
{
    size_t there = folders_there(a, p->folder);
    int failed = create_folder(a, t, p->folder, err);
    struct bd_error ignored;

    if (!failed && write_stack(p, err)) {
        folder_remove(p->folder, &ignored);
        failed = -1;
    }
    if (failed) {
        remove_folders_above(a, p->folder, there);
        return -1;
    }
    if (p->ignore && file_write(".gitignore", bd_slice_of(p->ignore), 0666, &ignored))
        warn("%s", ignored.text); /* the function is there, and this changes nothing of it */
    return 0;
}

/* "{handler}" in them is the function's folder. */
static void put_notes(const char *text, const char *folder)
{
    static const char mark[] = "{handler}";
    const char *at;

    while ((at = strstr(text, mark))) {
        tame_put(stdout, (struct bd_slice){text, (size_t)(at - text)}, TAME_LINES);
        tame_put(stdout, bd_slice_of(folder), TAME_ALL);
        text = at + sizeof(mark) - 1;
    }
    tame_put(stdout, bd_slice_of(text), TAME_LINES);
    fputs(*text && text[strlen(text) - 1] == '\n' ? "\n" : "\n\n", stdout);
}

static void report(const struct new_options *o, const struct function *f, const struct template *t,
                   const struct plan *p)
{
    say("Folder: %s created.", p->folder);
    say("Function created in folder: %s", p->folder);
    say("Stack file %s: %s", p->stack_is_new ? "written" : "updated", p->stack_path);
    if (t->welcome && !o->quiet) {
        fputs("\nNotes:\n", stdout);
        put_notes(t->welcome, p->folder);
    }
    if (strcmp(p->stack_path, "stack.yml") == 0 || strcmp(p->stack_path, "stack.yaml") == 0)
        say("Next: bandog dev %s", f->name);
    else
        say("Next: bandog dev -f %s %s", p->stack_path, f->name);
}

/* One at a time: what is added to the stack file must be added to what it says now. Until we end.
 */
static int lock_project(struct bd_error *err)
{
    int fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || flock(fd, LOCK_EX))
        return bd_fail(err, "lock the working folder: %s", strerror(errno));
    return 0;
}

static int create(struct bd_arena *a, const struct new_options *o, const char *name,
                  struct bd_error *err)
{
    const char *folder = path_clean(a, o->handler && *o->handler ? o->handler : name);
    const char *lang = strcmp(o->lang, "Dockerfile") == 0 ? "dockerfile" : o->lang;
    struct plan p = {.folder = folder};
    struct template t;
    struct function f = {
        .name = name,
        .lang = lang,
        .handler = *folder == '/' || strncmp(folder, "../", 3) == 0
                       ? folder
                       : bd_arena_printf(a, "./%s", folder),
        .image = image(a, o->prefix, name),
        .limits = {o->cpu_limit, o->memory_limit},
        .requests = {o->cpu_request, o->memory_request},
    };

    if (lock_project(err) || template_find(a, lang, &t, err) || plan_stack(a, o, &f, &p, err) ||
        plan_ignore(a, &p, err))
        return -1;
    if (path_exists(folder))
        return bd_fail(err, "folder: %s already exists", folder);
    if (carry_out(a, &t, &p, err))
        return -1;
    report(o, &f, &t, &p);
    return 0;
}

static int run(const void *options, const struct texts *operands, struct bd_arena *a)
{
    const struct new_options *o = options;
    const char *name = operands->count ? operands->text[0] : NULL;
    struct bd_error err;

    if (o->list)
        return template_table(a, strcmp(o->output, "json") == 0);
    if (!o->lang || !*o->lang)
        return usage("you must supply a function language with the --lang flag");
    if (!name || !*name)
        return usage("please provide a name for the function");
    if (strlen(name) > NAME_LENGTH_MAX)
        return usage("function name can have at most 63 characters");
    if (!name_is_valid(name))
        return usage("function name can only contain a-z, 0-9 and dashes");
    if (create(a, o, name, &err)) {
        complain("%s", err.text);
        return EXIT_FAILED;
    }
    return EXIT_OK;
}

const struct command command_new = {
    .name = "new",
    .operands = "NAME",
    .max = 1,
    .summary = "Make a new function from a template",
    .details = "Writes the handler's folder and adds the function to the stack file. No file is "
               "overwritten.\n",
    .flags = flags,
    .bytes = sizeof(struct new_options),
    .run = run,
};
