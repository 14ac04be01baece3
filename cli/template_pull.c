/*
 * template_pull.c - see template_pull.h
 */
#include "template_pull.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "assembly.h"
#include "bandog/json.h"
#include "bandog/temp.h"
#include "files.h"
#include "process.h"
#include "say.h"
#include "template.h"

/* A source while it is pulled. */
struct pulling {
    struct bd_arena *arena;
    const struct pull *pull;
    const char *source, *ref; /* ref: NULL for none */
    const char *folder;       /* with template/ in it */
    const char *sha;          /* NULL: it is no clone */
    struct texts names;       /* of folders below template/ */
};

/*
 * Runs git, argv[0], which says on stderr what goes wrong. Not in the repository that a hook has us
 * run in: its variables (git rev-parse --local-env-vars) would win over -C.
 */
static int run_git(struct pulling *p, const char *what, const char *const *argv, const char **ret,
                   struct bd_error *err)
{
    static const char *const without[] = {
        "GIT_DIR",        "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY",
        "GIT_COMMON_DIR", "GIT_PREFIX",    "GIT_NAMESPACE",  "GIT_SHALLOW_FILE"};
    struct texts all = {0};
    struct process_output output;
    int status;

    if (!process_find(p->arena, "git"))
        return bd_fail(err, "cannot run git: %s", strerror(ENOENT));
    texts_add(p->arena, &all, "env");
    for (size_t i = 0; i < sizeof(without) / sizeof(without[0]); i++) {
        texts_add(p->arena, &all, "-u");
        texts_add(p->arena, &all, without[i]);
    }
    for (; *argv; argv++)
        texts_add(p->arena, &all, *argv);
    status = process_run(p->arena, &(struct process){.argv = all.text, .pass_errors = true},
                         &output, err);
    if (status > 0)
        return bd_fail(err, "git %s failed", what);
    if (ret && !status)
        *ret = output.out.p;
    return status;
}

/* --- the source ---------------------------------------------------------------------------------
 */

static bool is_url(const char *source)
{
    static const char *const schemes[] = {"git:", "ssh:", "http:", "https:", "file:"};

    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
        if (strncmp(source, schemes[i], strlen(schemes[i])) == 0)
            return true;
    return strncmp(source, "git@", 4) == 0 && strchr(source, ':');
}

/* "sha-" and 7 to 40 digits. */
static const char *commit_of(const char *ref)
{
    size_t len;

    if (strncmp(ref, "sha-", 4) != 0)
        return NULL;
    ref += 4;
    len = strspn(ref, "0123456789abcdef");
    return len >= 7 && len <= 40 && ref[len] == '\0' ? ref : NULL;
}

static int check_ref(struct pulling *p, struct bd_error *err)
{
    const char *const argv[] = {"git", "check-ref-format", "--allow-onelevel", p->ref, NULL};
    int status;

    if (*p->ref == '-' || *p->ref == '\0' || strchr(p->ref, '/'))
        return bd_fail(err, "\"%s\" is no branch or tag that a template's name can end in", p->ref);
    status = process_run(p->arena, &(struct process){.argv = argv}, NULL, err);
    return status > 0 ? bd_fail(err, "\"%s\" is no branch or tag", p->ref) : status;
}

static int clone(struct pulling *p, const char *to, struct bd_error *err)
{
    const char *commit = p->ref ? commit_of(p->ref) : NULL;
    struct texts argv = {0};
    const char *const checkout[] = {"git", "-C", to, "checkout", "--quiet", commit, "--", NULL};
    const char *const parse[] = {"git", "-C", to, "rev-parse", "HEAD", NULL};

    texts_add(p->arena, &argv, "git");
    texts_add(p->arena, &argv, "clone");
    texts_add(p->arena, &argv, "--quiet");
    texts_add(p->arena, &argv, "--config");
    texts_add(p->arena, &argv, "core.autocrlf=false");
    if (!commit)
        texts_add(p->arena, &argv, "--depth=1");
    if (p->ref && !commit) {
        texts_add(p->arena, &argv, "--branch");
        texts_add(p->arena, &argv, p->ref);
    }
    texts_add(p->arena, &argv, "--");
    texts_add(p->arena, &argv, p->source);
    texts_add(p->arena, &argv, to);
    if (run_git(p, "clone", argv.text, NULL, err) ||
        (commit && run_git(p, "checkout", checkout, NULL, err)))
        return -1;
    return run_git(p, "rev-parse", parse, &p->sha, err);
}

static int split_source(struct pulling *p, struct bd_error *err)
{
    const char *hash = strrchr(p->pull->source, '#');

    p->source = p->pull->source;
    if (hash && !path_exists(p->source)) {
        p->source =
            bd_arena_copy(p->arena, (struct bd_slice){p->source, (size_t)(hash - p->source)});
        p->ref = hash + 1;
        if (check_ref(p, err))
            return -1;
    }
    if (!path_is_folder(p->source) && !is_url(p->source))
        return bd_fail(err, "the repository URL must be a valid git repo uri, or a folder: %s",
                       p->source);
    return 0;
}

/* --- looking ------------------------------------------------------------------------------------
 */

static int on_name(void *self, const char *path, bool is_folder, mode_t mode, struct bd_error *err)
{
    struct pulling *p = self;

    (void)mode;
    (void)err;
    if (is_folder && !strchr(path, '/') && *path != '.' &&
        (!p->pull->only || strcmp(p->pull->only, path) == 0))
        texts_add(p->arena, &p->names, bd_arena_copy(p->arena, bd_slice_of(path)));
    return 0;
}

struct looking {
    const char *folder;  /* of one template */
    char real[PATH_MAX]; /* of the source, without links */
};

static bool is_git_folder(const char *below)
{
    return strncmp(below, "/.git", 5) == 0 && (below[5] == '/' || below[5] == '\0');
}

static int on_entry(void *self, const char *path, bool is_folder, mode_t mode, struct bd_error *err)
{
    const struct looking *l = self;
    char full[PATH_MAX], real[PATH_MAX];
    size_t len = strlen(l->real);
    struct stat st;

    (void)is_folder;
    (void)mode;
    if ((size_t)snprintf(full, sizeof(full), "%s/%s", l->folder, path) >= sizeof(full))
        return bd_fail(err, "%s: the path is too long", path);
    if (*path && lstat(full, &st) == 0 && !S_ISLNK(st.st_mode))
        return 0;
    if (realpath(full, real) && strncmp(real, l->real, len) == 0 &&
        (real[len] == '/' || !real[len]) && !is_git_folder(real + len))
        return 0;
    return bd_fail(err, "%s is a symbolic link that leads outside of its source", full);
}

/* The folder of a template in that of its source. */
static int look_at(const char *source, const char *folder, struct bd_error *err)
{
    struct looking l = {.folder = folder};

    if (!realpath(source, l.real))
        return bd_fail(err, "%s: %s", source, strerror(errno));
    if (on_entry(&l, "", true, 0, err))
        return -1;
    return folder_walk(folder, on_entry, &l, err);
}

static const char *target(const struct pulling *p, const char *name)
{
    if (p->pull->as)
        name = p->pull->as;
    else if (p->ref)
        name = bd_arena_printf(p->arena, "%s@%s", name, p->ref);
    return bd_arena_printf(p->arena, TEMPLATE_FOLDER "/%s", name);
}

static int look(struct pulling *p, struct bd_error *err)
{
    const char *templates = path_join(p->arena, p->folder, TEMPLATE_FOLDER);
    struct texts there = {0};

    if (!path_is_folder(templates))
        return bd_fail(err, "can't find templates in: %s", templates);
    if (folder_walk(templates, on_name, p, err))
        return -1;
    if (p->pull->only && p->names.count == 0)
        return bd_fail(err, "%s has no template %s", p->pull->source, p->pull->only);
    for (size_t i = 0; i < p->names.count; i++) {
        if (look_at(p->folder, path_join(p->arena, templates, p->names.text[i]), err))
            return -1;
        if (!p->pull->overwrite && path_exists(target(p, p->names.text[i])))
            texts_add(p->arena, &there, p->names.text[i]);
    }
    return there.count == 0 ? 0
                            : bd_fail(err, "unable to overwrite the following: [%s]",
                                      texts_join(p->arena, &there, " "));
}

/* --- writing ------------------------------------------------------------------------------------
 */

static const char *json(struct bd_arena *a, const char *text)
{
    struct bd_slice s = bd_slice_of(text);
    char *put = bd_arena_alloc(a, bd_json_bytes(s) + 1);

    *bd_json_put(put, s) = '\0';
    return put;
}

/* Where it came from, as faas-cli writes it. */
static struct bd_slice meta(const struct pulling *p)
{
    time_t now = time(NULL);
    struct tm tm;
    char stamp[32];

    gmtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%SZ", &tm);
    return bd_slice_of(bd_arena_printf(
        p->arena, "{\"repository\":%s,\"ref_name\":%s,\"sha\":%s,\"written_at\":\"%s\"}\n",
        json(p->arena, p->source), json(p->arena, p->ref ? p->ref : ""), json(p->arena, p->sha),
        stamp));
}

/* The old one goes when the new one is there. */
static int put_in_place(struct pulling *p, const char *from, const char *to, struct bd_error *err)
{
    const char *old = bd_arena_printf(p->arena, "%s.%d.old~", to, (int)getpid());
    bool had = rename(to, old) == 0;

    if (rename(from, to)) {
        bd_fail(err, "create %s: %s", to, strerror(errno));
        if (had)
            rename(old, to);
        return -1;
    }
    return had ? folder_remove(old, err) : 0;
}

static int write_one(struct pulling *p, const char *name, struct bd_error *err)
{
    const char *to = target(p, name),
               *beside = bd_arena_printf(p->arena, "%s.%d~", to, (int)getpid());
    const struct texts none = {0};
    struct bd_error ignored;
    struct assembly files;
    int failed;

    assembly_init(&files, p->arena);
    failed = assembly_add_folder(
        &files, path_join(p->arena, path_join(p->arena, p->folder, TEMPLATE_FOLDER), name), "",
        &none, err);
    if (p->sha)
        assembly_add(&files, (struct item){.path = "meta.json", .mode = 0666, .content = meta(p)});
    failed = failed || assembly_create(&files, beside, err) || put_in_place(p, beside, to, err);
    if (failed)
        folder_remove(beside, &ignored);
    return failed ? -1 : 0;
}

static int pull_from(struct pulling *p, struct texts *ret_names, struct bd_error *err)
{
    if (look(p, err))
        return -1;
    for (size_t i = 0; i < p->names.count; i++) {
        if (write_one(p, p->names.text[i], err))
            return -1;
        texts_add(p->arena, ret_names, target(p, p->names.text[i]) + sizeof(TEMPLATE_FOLDER));
    }
    return 0;
}

int template_pull(struct bd_arena *a, const struct pull *pull, struct texts *ret_names,
                  struct bd_error *err)
{
    struct pulling p = {.arena = a, .pull = pull};
    char *temporary = bd_arena_printf(a, "%s/bandog-pull-XXXXXX", bd_temp_dir());
    struct bd_error ignored;
    int failed;

    if (pull->as && !template_name_is_safe(pull->as))
        return bd_fail(err, "\"%s\" cannot be a template's name", pull->as);
    if (split_source(&p, err))
        return -1;
    note("Fetching templates from %s%s%s", p.source, p.ref ? " " : "", p.ref ? p.ref : "");
    if (path_is_folder(p.source) && !p.ref) {
        p.folder = p.source;
        return pull_from(&p, ret_names, err);
    }
    if (!mkdtemp(temporary))
        return bd_fail(err, "cannot make a folder in %s: %s", bd_temp_dir(), strerror(errno));
    p.folder = path_join(a, temporary, "clone");
    failed = clone(&p, p.folder, err) || pull_from(&p, ret_names, err);
    folder_remove(temporary, &ignored);
    return failed ? -1 : 0;
}

int template_pull_missing(struct bd_arena *a, const struct stack *s, const char *lang,
                          struct bd_error *err)
{
    struct texts names = {0};

    if (path_exists(bd_arena_printf(a, TEMPLATE_FOLDER "/%s", lang)))
        return 0;
    for (size_t i = 0; i < s->templates; i++) {
        const struct template_source *t = &s->template[i];
        size_t len = strcspn(t->name, "@");

        if (strcmp(t->name, lang) == 0 && t->source)
            return template_pull(
                a,
                &(struct pull){.source = t->source,
                               .only = bd_arena_copy(a, (struct bd_slice){t->name, len}),
                               .as = t->name},
                &names, err);
    }
    return 0;
}
