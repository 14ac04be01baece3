/*
 * confine.c - see confine.h
 */
#include "confine.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bandog/log.h"
#include "spawn.h"

/* As in <linux/capability.h>. */
#define CAPABILITY_KILL 5
#define CAPABILITY_SYS_RESOURCE 24

static bool has_capability(int capability)
{
    uint32_t header[2] = {0x20080522, 0}; /* version 3, this process */
    struct {
        uint32_t effective, permitted, inheritable;
    } data[2] = {{0, 0, 0}};

    if (syscall(SYS_capget, header, data) < 0)
        return true; /* then let the kernel say so */
    return data[capability / 32].effective >> (capability % 32) & 1;
}

static int add_limit(struct spawn_confinement *to, int resource, const char *name, int64_t most,
                     struct bd_error *err)
{
    struct rlimit now;

    if (most <= 0)
        return 0;
    if (getrlimit(resource, &now) == 0 && (uint64_t)most > now.rlim_max &&
        !has_capability(CAPABILITY_SYS_RESOURCE))
        return bd_fail(err, "%s=%lld is more than the %llu that this process may give", name,
                       (long long)most, (unsigned long long)now.rlim_max);
    to->limit[to->limits].resource = resource;
    to->limit[to->limits].most = (uint64_t)most;
    to->limits++;
    return 0;
}

static int complain(struct bd_error *err, const char *name, const char *value, const char *what)
{
    char shown[104];

    return bd_fail(err, "%s=\"%s\" %s", name, bd_printable_text(shown, sizeof(shown), value), what);
}

/* A number that is an id. */
static bool read_id(const char *text, uint32_t *ret)
{
    char *end;
    unsigned long long n;

    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    n = strtoull(text, &end, 10);
    if (*end || errno || n >= UINT32_MAX) /* the last one means "none" to the kernel */
        return false;
    *ret = (uint32_t)n;
    return true;
}

static int find_user(struct spawn_confinement *to, const char *user, struct bd_error *err)
{
    uint32_t id = 0;
    bool is_number = read_id(user, &id);
    const struct passwd *p = is_number ? getpwuid(id) : getpwnam(user);
    int groups = SPAWN_GROUPS_MAX;

    if (!p && !is_number)
        return complain(err, "user", user,
                        "is not known here; allowed: a name in /etc/passwd, or a "
                        "number");
    to->uid = p ? p->pw_uid : (uid_t)id;
    to->gid = p ? p->pw_gid : (gid_t)id;
    if (p && getgrouplist(p->pw_name, p->pw_gid, to->group, &groups) < 0)
        return complain(err, "user", user, "is in too many groups");
    to->groups = p ? (size_t)groups : 0;
    to->changes_user = true;
    return 0;
}

static int find_group(struct spawn_confinement *to, const char *group, struct bd_error *err)
{
    uint32_t id = 0;
    bool is_number = read_id(group, &id);
    const struct group *g = is_number ? NULL : getgrnam(group);

    if (!g && !is_number)
        return complain(err, "group", group,
                        "is not known here; allowed: a name in /etc/group, or a "
                        "number");
    if (!to->changes_user) {
        to->uid = geteuid();
        to->groups = 0;
    }
    to->gid = g ? g->gr_gid : (gid_t)id;
    to->changes_user = true;
    return 0;
}

int confine_apply(const struct confine *c, struct bd_error *err)
{
    struct spawn_confinement to = {.limits = 0};

    if (add_limit(&to, RLIMIT_AS, "limit_memory", c->memory_bytes, err) ||
        add_limit(&to, RLIMIT_CPU, "limit_cpu", c->cpu_s, err) ||
        add_limit(&to, RLIMIT_NOFILE, "limit_files", c->files, err) ||
        add_limit(&to, RLIMIT_NPROC, "limit_processes", c->processes, err))
        return -1;
    if (c->user && *c->user && find_user(&to, c->user, err))
        return -1;
    if (c->group && *c->group && find_group(&to, c->group, err))
        return -1;
    if (to.changes_user && geteuid() != 0) {
        if (to.uid != geteuid() || to.gid != getegid())
            return bd_fail(err,
                           "user and group choose whom the function runs as, which only root "
                           "may; this is user %u",
                           (unsigned)geteuid());
        to.changes_user = false;
    }
    if (to.changes_user && to.uid != geteuid() && !has_capability(CAPABILITY_KILL))
        return bd_fail(err, "user needs the capability KILL, without which processes of another "
                            "user cannot be ended");
    spawn_confine(&to);
    return 0;
}
