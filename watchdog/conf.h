/*
 * conf.h - the settings of the program: its own rows and those of the mode chosen
 */
#ifndef WATCHDOG_CONF_H
#define WATCHDOG_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "bandog/duration.h"
#include "bandog/log.h"
#include "bandog/mode.h"
#include "confine.h"

struct conf {
    const struct bd_mode *mode;
    void *mode_conf; /* as the mode's rows say */

    int mode_index; /* of bd_modes */
    int64_t port;
    int64_t read_timeout_ns;
    int64_t write_timeout_ns;
    int64_t healthcheck_interval_ns;
    int64_t shutdown_timeout_ns;
    int64_t max_inflight;
    int64_t max_queue;
    int64_t queue_timeout_ns;
    int64_t max_body;
    int64_t max_connections;
    int64_t workers; /* 0: one for each CPU this process may use */
    int64_t metrics_port;
    bool suppress_lock;
    bool strict_config;
    bool jwt_auth, jwt_auth_debug, jwt_auth_local;
    const char *ready_path;
    struct bd_log_conf log; /* applied by conf_log() before all else is read */
    int log_format, log_level;
    struct confine confine;
    const char *tmpdir; /* for --check only: who needs it calls bd_temp_dir() */

    char read_timeout[BD_DURATION_BYTES]; /* the two above, printed */
    char write_timeout[BD_DURATION_BYTES];
    char queue_timeout[BD_DURATION_BYTES];
};

/* What was wrong. */
struct conf_problems {
    int warnings; /* the program can go on */
    int errors;   /* it cannot: with strict_config, every problem */
};

/* Reads those about the log, quietly, and has it written like that. First. */
void conf_log(char *const *environ_rows);

/*
 * Reads all settings and logs every problem. `show`, if not NULL, receives one line for each
 * effective setting.
 */
struct conf_problems conf_load(struct conf *c, char *const *environ_rows, FILE *show);

/* Of the mode; 0 and "" where it has no such setting. */
int64_t conf_exec_timeout_ns(const struct conf *c);
const char *conf_process(const struct conf *c);

/* Every row there is, of the program and of all modes, as --help shows it. */
void conf_help(FILE *to);

#endif
