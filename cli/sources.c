/*
 * sources.c - see sources.h
 */
#include "sources.h"

#include <sys/stat.h>

#include "assembly.h"
#include "dev_install.h"
#include "files.h"
#include "process.h"
#include "say.h"

int sources_check(struct bd_arena *a, const struct function *f, const struct template *t,
                  struct bd_error *err)
{
    for (size_t i = 0; t && i < t->dev.requires.count; i++) {
        const struct pair *r = &t->dev.requires.row[i];

        if (!process_find(a, r->name))
            return bd_fail(err, "%s needs %s, which is not in PATH: apt-get install %s", f->name,
                           r->name, *r->value ? r->value : r->name);
    }
    return 0;
}

static bool is_link(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

int sources_assemble(struct bd_arena *a, const struct stack *s, const struct function *f,
                     const struct template *t, const char *folder, struct bd_error *err)
{
    struct texts keep = {0};
    struct assembly plan;
    size_t changed;

    assembly_init(&plan, a);
    if (assembly_plan(&plan, f, t, &s->copy, err))
        return -1;
    texts_add(a, &keep, DEV_INSTALL_FILE);
    if (t)
        texts_add_all(a, &keep, &t->dev.keep);
    if (is_link(folder) && folder_remove(folder, err)) /* what it leads to is not ours */
        return -1;
    return assembly_update(&plan, folder, &keep, &changed, err);
}

/* A folder with all below it, or a file; what is not there is waited for. */
static void add(struct bd_arena *a, const char *path, struct texts *trees, struct texts *files)
{
    path = path_clean(a, path);
    texts_add(a, path_is_folder(path) ? trees : files, path);
}

void sources_watch(struct bd_arena *a, const struct stack *s, const struct function *f,
                   struct watcher *w)
{
    struct texts trees = {0}, files = {0};

    if (f->handler)
        add(a, f->handler, &trees, &files);
    if (f->lang && !template_is_dockerfile(f->lang))
        add(a, bd_arena_printf(a, TEMPLATE_FOLDER "/%s", f->lang), &trees, &files);
    for (size_t i = 0; i < s->copy.count; i++)
        add(a, s->copy.text[i], &trees, &files);
    for (size_t i = 0; i < f->environment_files.count; i++)
        add(a, f->environment_files.text[i], &trees, &files);
    watcher_set(w, &trees, &files, &assembly_made);
    if (!w->complete)
        warn("%s: not every folder can be watched (fs.inotify.max_user_watches): some changes will "
             "not be seen",
             f->name);
    w->complete = true;
}
