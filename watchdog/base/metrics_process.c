/*
 * metrics_process.c - see metrics_process.h
 */
#include "metrics_process.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "exposition.h"

static void print(FILE *to, const char *name, const char *help, const char *type, double value,
                  bool open)
{
    if (value >= 0)
        value_print(to, name, help, type, value, open);
}

/* Times of proc(5) are counted in ticks. */
static double seconds(unsigned long long ticks)
{
    return (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

/* When the system was started, in Unix time; -1: unknown. */
static double boot_time(void)
{
    FILE *from = fopen("/proc/stat", "re");
    char line[4096];
    double found = -1;

    if (!from)
        return -1;
    while (found < 0 && fgets(line, sizeof(line), from))
        if (strncmp(line, "btime ", 6) == 0)
            found = strtod(line + 6, NULL);
    fclose(from);
    return found;
}

/* /proc/self/stat; all -1 when it cannot be read. */
struct stat_line {
    double cpu_s, started_s, virtual_bytes;
};

static struct stat_line read_stat(void)
{
    FILE *from = fopen("/proc/self/stat", "re");
    struct stat_line ret = {-1, -1, -1};
    unsigned long long in_user, in_kernel, start, virtual;
    double boot = boot_time();
    char line[1024];
    const char *rest;

    if (!from)
        return ret;
    rest = fgets(line, sizeof(line), from) ? strrchr(line, ')') : NULL; /* behind the name */
    fclose(from);
    if (!rest || sscanf(rest + 1,
                        " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d "
                        "%*d %*d %llu %llu",
                        &in_user, &in_kernel, &start, &virtual) != 4)
        return ret;
    ret.cpu_s = seconds(in_user + in_kernel);
    ret.started_s = boot < 0 ? -1 : boot + seconds(start);
    ret.virtual_bytes = (double)virtual;
    return ret;
}

/* /proc/self/stat has it too, but only about. */
static double read_resident(void)
{
    FILE *from = fopen("/proc/self/statm", "re");
    long long pages = -1;

    if (!from)
        return -1;
    if (fscanf(from, "%*d %lld", &pages) != 1)
        pages = -1;
    fclose(from);
    return pages < 0 ? -1 : (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double count_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    double n = -1; /* not the one for looking */

    if (!dir)
        return -1;
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir))
        n += e->d_name[0] != '.';
    closedir(dir);
    return n;
}

static double limit(int resource)
{
    struct rlimit l;

    if (getrlimit(resource, &l))
        return -1;
    return l.rlim_cur == RLIM_INFINITY ? 18446744073709551615.0 : (double)l.rlim_cur;
}

/* Sums of all interfaces; -1: unknown. */
static void read_network(double *ret_received, double *ret_sent)
{
    FILE *from = fopen("/proc/self/net/dev", "re");
    char line[512];

    *ret_received = *ret_sent = -1;
    if (!from)
        return;
    *ret_received = *ret_sent = 0;
    while (fgets(line, sizeof(line), from)) {
        const char *colon = strchr(line, ':');
        unsigned long long received, sent;

        if (colon &&
            sscanf(colon + 1, "%llu %*u %*u %*u %*u %*u %*u %*u %llu", &received, &sent) == 2) {
            *ret_received += (double)received;
            *ret_sent += (double)sent;
        }
    }
    fclose(from);
}

void metrics_process_print(FILE *to, bool open)
{
    struct stat_line stat = read_stat();
    double received, sent;

    read_network(&received, &sent);
    print(to, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
          "counter", stat.cpu_s, open);
    print(to, "process_max_fds", "Maximum number of open file descriptors.", "gauge",
          limit(RLIMIT_NOFILE), open);
    print(to, "process_network_receive_bytes_total",
          "Number of bytes received by the process over the network.", "counter", received, open);
    print(to, "process_network_transmit_bytes_total",
          "Number of bytes sent by the process over the network.", "counter", sent, open);
    print(to, "process_open_fds", "Number of open file descriptors.", "gauge", count_descriptors(),
          open);
    print(to, "process_resident_memory_bytes", "Resident memory size in bytes.", "gauge",
          read_resident(), open);
    print(to, "process_start_time_seconds",
          "Start time of the process since unix epoch in seconds.", "gauge", stat.started_s, open);
    print(to, "process_virtual_memory_bytes", "Virtual memory size in bytes.", "gauge",
          stat.virtual_bytes, open);
    print(to, "process_virtual_memory_max_bytes",
          "Maximum amount of virtual memory available in bytes.", "gauge", limit(RLIMIT_AS), open);
}
