/*
 * tag.c - see tag.h
 */
#include "tag.h"

#include <string.h>

#include "files.h"
#include "md5.h"
#include "process.h"

#define TAG_MAX 128              /* OCI distribution specification */
#define FILE_BYTES_MAX (1 << 30) /* of a file of the handler */

const char *const tag_words[] = {"latest", "sha", "branch", "describe", "digest", NULL};

static int git(struct bd_arena *a, const char *const *argv, const char **ret, struct bd_error *err)
{
    struct process_output output;
    int status = process_run(a, &(struct process){.argv = argv}, &output, err);

    if (status < 0)
        return -1;
    if (status)
        return bd_fail(err, "git says: %s", output.err.p);
    *ret = output.out.p;
    return 0;
}

static int commit(struct bd_arena *a, const char **ret, struct bd_error *err)
{
    return git(a, (const char *const[]){"git", "rev-parse", "--short", "HEAD", NULL}, ret, err);
}

static int branch(struct bd_arena *a, const char **ret, struct bd_error *err)
{
    const char *sha = "";

    if (commit(a, &sha, err) ||
        git(a, (const char *const[]){"git", "rev-parse", "--abbrev-ref", "HEAD", NULL}, ret, err))
        return -1;
    *ret = bd_arena_printf(a, "%s-%s", *ret, sha);
    return 0;
}

static int describe(struct bd_arena *a, const char **ret, struct bd_error *err)
{
    return git(a, (const char *const[]){"git", "describe", "--tags", "--always", NULL}, ret, err);
}

/* --- digest -------------------------------------------------------------------------------------
 */

struct digest {
    struct bd_arena *arena;
    const char *root;
    struct texts paths; /* with the root in front, as they are sorted */
};

static int on_found(void *self, const char *path, bool is_folder, mode_t mode, struct bd_error *err)
{
    struct digest *d = self;

    (void)mode;
    (void)err;
    if (!is_folder)
        texts_add(d->arena, &d->paths,
                  path_join(d->arena, d->root, bd_arena_copy(d->arena, bd_slice_of(path))));
    return 0;
}

static int add_file(struct md5 *all, const char *path, struct bd_error *err)
{
    struct bd_arena file;
    struct bd_slice text;
    struct md5 one;
    char hex[33];
    int failed;

    bd_arena_init(&file);
    failed = file_read(&file, path, FILE_BYTES_MAX, &text, err);
    if (!failed) {
        md5_init(&one);
        md5_add(&one, text);
        md5_hex(&one, hex);
        md5_add(all, bd_slice_of(hex));
    }
    bd_arena_release(&file);
    return failed;
}

static int digest(struct bd_arena *a, const char *handler, const char **ret, struct bd_error *err)
{
    struct digest d = {.arena = a, .root = path_clean(a, handler)};
    struct md5 all;
    char *hex = bd_arena_alloc(a, 33);

    if (folder_walk(handler, on_found, &d, err))
        return -1;
    texts_sort(&d.paths);
    md5_init(&all);
    for (size_t i = 0; i < d.paths.count; i++)
        if (add_file(&all, d.paths.text[i], err))
            return -1;
    md5_hex(&all, hex);
    *ret = hex;
    return 0;
}

/* --- the name -----------------------------------------------------------------------------------
 */

/* A slash of a branch may not stand in a tag. */
static int check(struct bd_arena *a, const char **tag, struct bd_error *err)
{
    char *copy = bd_arena_copy(a, bd_slice_of(*tag));
    size_t len = strlen(copy);

    for (char *slash = copy; (slash = strchr(slash, '/'));)
        *slash = '-';
    if (len == 0 || len > TAG_MAX || copy[0] == '.' || copy[0] == '-' ||
        copy[strspn(copy, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")])
        return bd_fail(err, "\"%s\" cannot be an image's tag", copy);
    *tag = copy;
    return 0;
}

/* What an engine takes for no option, and for one word. The rest it says better. */
static bool is_reference(const char *image)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@+[]";

    return !strchr("-._/:@+]", *image) && image[strspn(image, allowed)] == '\0';
}

int tag_image(struct bd_arena *a, const struct function *f, const char *how, const char **ret,
              struct bd_error *err)
{
    const char *image, *colon, *tag, *more = NULL;
    int failed = 0;

    if (!f->image || !*f->image)
        return bd_fail(err, "function %s has no image", f->name);
    if (!is_reference(f->image))
        return bd_fail(err, "function %s: \"%s\" cannot be an image's name", f->name, f->image);
    image = image_name(a, f->image);
    if (strcmp(how, "latest") == 0) {
        *ret = image;
        return 0;
    }
    colon = strrchr(image, ':');
    tag = colon + 1;
    image = bd_arena_copy(a, (struct bd_slice){image, (size_t)(colon - image)});
    if (strcmp(how, "digest") == 0) {
        if (!f->handler)
            return bd_fail(err, "function %s has no handler to make a digest of", f->name);
        failed = digest(a, f->handler, &tag, err);
    } else {
        failed = strcmp(how, "sha") == 0      ? commit(a, &more, err)
                 : strcmp(how, "branch") == 0 ? branch(a, &more, err)
                                              : describe(a, &more, err);
        tag = bd_arena_printf(a, "%s-%s", tag, failed ? "" : more);
    }
    if (failed || check(a, &tag, err))
        return -1;
    *ret = bd_arena_printf(a, "%s:%s", image, tag);
    return 0;
}
