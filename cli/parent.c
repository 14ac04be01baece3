/*
 * parent.c - see parent.h
 */
#include "parent.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "bandog/slice.h"

bool parent_is_gone(const char *pid)
{
    int64_t parent;

    return prctl(PR_SET_PDEATHSIG, SIGTERM) || !bd_slice_number(bd_slice_of(pid), &parent) ||
           getppid() != (pid_t)parent;
}
