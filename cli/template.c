/*
 * template.c - see template.h
 */
#include "template.h"

#include <dirent.h>
#include <string.h>

#include "archive.h"
#include "blobs.h"
#include "dockerfile.h"
#include "document.h"
#include "files.h"
#include "say.h"

static const char *const template_keys[] = {
    "language",       "description", "fprocess", "build_options", "welcome_message", "mount_ssh",
    "handler_folder", "dev",         NULL};
static const char *const dev_keys[] = {"requires", "install", "build", "keep", "environment", NULL};
static const char *const install_keys[] = {"files", "run", NULL};
static const char *const option_keys[] = {"name", "packages", NULL};

bool template_is_dockerfile(const char *lang)
{
    return strcmp(lang, "dockerfile") == 0;
}

/* --- where its files are ------------------------------------------------------------------------
 */

/* The file of a template inside this program. */
static bool find_inside(struct bd_arena *a, const char *name, const char *file,
                        struct bd_slice *ret)
{
    const char *path = path_join(a, name, file);
    struct archive_file f;
    size_t at = 0;

    while (archive_next(a, blob_templates(), &at, &f))
        if (strcmp(f.path, path) == 0) {
            *ret = f.content;
            return true;
        }
    return false;
}

/* False when it is not there, or with `err` when it cannot be read. */
static int read_file(struct bd_arena *a, const struct template *t, const char *file, size_t max,
                     bool *ret_found, struct bd_slice *ret, struct bd_error *err)
{
    const char *path;

    if (!t->folder) {
        *ret_found = find_inside(a, t->name, file, ret);
        return 0;
    }
    path = path_join(a, t->folder, file);
    *ret_found = path_exists(path);
    return *ret_found ? file_read(a, path, max, ret, err) : 0;
}

/* --- template.yml -------------------------------------------------------------------------------
 */

static void read_option(struct reader *r, const struct node *n, struct build_option *ret)
{
    *ret = (struct build_option){.name = ""};
    if (!node_is_map(r, n, "each of build_options"))
        return;
    node_check_keys(r, n, option_keys, UNKNOWN_WARNS);
    node_text(r, node_get(n, "name"), "name", &ret->name);
    node_texts(r, node_get(n, "packages"), "packages", &ret->packages);
}

static void read_options(struct reader *r, const struct node *n, struct template *t)
{
    if (!n || n->null)
        return;
    if (n->kind != NODE_LIST) {
        node_error(r, n, "build_options must be a list of maps with name and packages");
        return;
    }
    t->option = bd_arena_alloc(r->arena, (n->count + 1) * sizeof(*t->option));
    for (size_t i = 0; i < n->count; i++)
        read_option(r, n->item[i], &t->option[t->options++]);
}

/* Paths that are below the function's folder, cleaned. */
static void read_paths(struct reader *r, const struct node *n, const char *what, struct texts *ret)
{
    node_texts(r, n, what, ret);
    for (size_t i = 0; i < ret->count; i++) {
        ret->text[i] = path_clean(r->arena, ret->text[i]);
        if (!path_is_below(ret->text[i]))
            node_error(r, n, "%s: each path must be below the function's folder", what);
    }
}

static void read_dev(struct reader *r, const struct node *n, struct dev_section *dev)
{
    const struct node *install = node_get(n, "install");

    if (!node_is_map(r, n, "dev"))
        return;
    node_check_keys(r, n, dev_keys, UNKNOWN_FAILS);
    node_pairs(r, node_get(n, "requires"), "requires", &dev->requires);
    node_text(r, node_get(n, "build"), "build", &dev->build);
    read_paths(r, node_get(n, "keep"), "keep", &dev->keep);
    node_pairs(r, node_get(n, "environment"), "environment", &dev->environment);
    if (node_is_map(r, install, "install")) {
        node_check_keys(r, install, install_keys, UNKNOWN_FAILS);
        read_paths(r, node_get(install, "files"), "files", &dev->install_files);
        node_text(r, node_get(install, "run"), "run", &dev->install);
    }
}

static void check_handler_folder(struct reader *r, const struct node *n, struct template *t)
{
    node_text(r, n, "handler_folder", &t->handler_folder);
    t->handler_folder = path_clean(r->arena, t->handler_folder);
    if (!path_is_below(t->handler_folder))
        node_error(r, n, "handler_folder must be below the template's folder");
}

static void read_yaml(struct reader *r, const struct node *root, struct template *t)
{
    if (!node_is_map(r, root, "template.yml"))
        return;
    node_check_keys(r, root, template_keys, UNKNOWN_WARNS);
    node_text(r, node_get(root, "language"), "language", &t->language);
    node_text(r, node_get(root, "description"), "description", &t->description);
    node_text(r, node_get(root, "fprocess"), "fprocess", &t->fprocess);
    node_text(r, node_get(root, "welcome_message"), "welcome_message", &t->welcome);
    node_bool(r, node_get(root, "mount_ssh"), "mount_ssh", &t->mount_ssh);
    check_handler_folder(r, node_get(root, "handler_folder"), t);
    read_options(r, node_get(root, "build_options"), t);
    t->has_dev = node_get(root, "dev") != NULL;
    read_dev(r, node_get(root, "dev"), &t->dev);
}

static int load(struct bd_arena *a, struct template *t, bool *ret_found, struct bd_error *err)
{
    struct reader r = {a, path_join(a, t->folder ? t->folder : t->name, "template.yml"), 0};
    struct bd_slice text;
    struct node *root;
    bool found;

    if (read_file(a, t, "template.yml", DOCUMENT_BYTES_MAX, ret_found, &text, err))
        return -1;
    if (!*ret_found)
        return 0;
    if (document_read(a, r.file, text, &root, err))
        return -1;
    read_yaml(&r, root, t);
    if (r.errors > 0)
        return bd_fail(err, "%s cannot be used as it is", r.file);
    if (read_file(a, t, "Dockerfile", DOCKERFILE_BYTES_MAX, &t->has_dockerfile, &t->dockerfile,
                  err) ||
        read_file(a, t, ".dockerignore", DOCKERFILE_BYTES_MAX, &found, &t->dockerignore, err))
        return -1;
    if (!found)
        t->dockerignore = (struct bd_slice){"", 0};
    return 0;
}

bool template_name_is_safe(const char *name)
{
    return *name && *name != '.' && !strchr(name, '/');
}

int template_find(struct bd_arena *a, const char *name, struct template *ret, struct bd_error *err)
{
    struct template t = {.name = name,
                         .folder = bd_arena_printf(a, TEMPLATE_FOLDER "/%s", name),
                         .language = "",
                         .description = "",
                         .handler_folder = "function"};
    bool found = false;

    if (template_name_is_safe(name)) {
        if (path_is_folder(t.folder) && load(a, &t, &found, err))
            return -1;
        if (!found && path_is_folder(t.folder))
            return bd_fail(err, "%s has no template.yml", t.folder);
        if (!found) {
            t.folder = NULL;
            if (load(a, &t, &found, err))
                return -1;
        }
    }
    if (!found)
        return bd_fail(err,
                       "template: \"%s\" was not found in the templates folder or inside bandog; "
                       "'bandog new --list' shows what there is",
                       name);
    if (!t.has_dockerfile && !template_is_dockerfile(name))
        return bd_fail(err, "template: \"%s\" has no Dockerfile", name);
    *ret = t;
    return 0;
}

static void names_inside(struct bd_arena *a, struct texts *names)
{
    struct archive_file f;
    size_t at = 0;

    while (archive_next(a, blob_templates(), &at, &f)) {
        size_t len = strcspn(f.path, "/");

        if (strcmp(f.path + len, "/template.yml") == 0)
            texts_add(a, names, bd_arena_copy(a, (struct bd_slice){f.path, len}));
    }
}

static void names_on_disk(struct bd_arena *a, struct texts *names)
{
    DIR *dir = opendir(TEMPLATE_FOLDER);
    struct dirent *d;

    while (dir && (d = readdir(dir)))
        if (template_name_is_safe(d->d_name) &&
            path_is_folder(bd_arena_printf(a, TEMPLATE_FOLDER "/%s", d->d_name)))
            texts_add(a, names, bd_arena_copy(a, bd_slice_of(d->d_name)));
    if (dir)
        closedir(dir);
}

void template_list(struct bd_arena *a, struct template **ret, size_t *ret_count)
{
    struct texts names = {0};
    struct bd_error err;

    names_inside(a, &names);
    names_on_disk(a, &names);
    texts_sort(&names);
    *ret = bd_arena_alloc(a, (names.count + 1) * sizeof(**ret));
    *ret_count = 0;
    for (size_t i = 0; i < names.count; i++)
        if (template_find(a, names.text[i], &(*ret)[*ret_count], &err))
            warn("%s", err.text);
        else
            (*ret_count)++;
}

/* --- its files ----------------------------------------------------------------------------------
 */

/* "function/x" below "function" is "x"; NULL: it is not below. */
static const char *below_of(const char *path, const char *below)
{
    size_t len = strlen(below);

    if (len == 0 || strcmp(below, ".") == 0)
        return path;
    return strncmp(path, below, len) == 0 && path[len] == '/' ? path + len + 1 : NULL;
}

static void add_inside(const struct template *t, const char *below, const char *as,
                       struct assembly *to)
{
    struct archive_file f;
    size_t at = 0;

    while (archive_next(to->arena, blob_templates(), &at, &f)) {
        const char *path = below_of(f.path, t->name);

        path = path ? below_of(path, below) : NULL;
        if (path)
            assembly_add(to, (struct item){.path = path_join(to->arena, as, path),
                                           .mode = f.mode,
                                           .content = f.content});
    }
}

int template_add(const struct template *t, const char *below, const char *as, struct assembly *to,
                 struct bd_error *err)
{
    const struct texts none = {0};
    const char *folder;

    if (!t->folder) {
        add_inside(t, below, as, to);
        return 0;
    }
    folder = path_join(to->arena, t->folder, below);
    if (!path_exists(folder)) /* a template need not have a starter */
        return 0;
    return assembly_add_folder(to, folder, as, &none, err);
}

const char *template_mode(struct bd_arena *a, const struct template *t)
{
    struct dockerfile d;
    const char *mode;

    dockerfile_read(a, t->dockerfile, &d);
    mode = pairs_get(&d.environment, "mode");
    return mode ? mode : "classic";
}
