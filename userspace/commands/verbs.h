/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs, one file each: they parse what is theirs, call, print, and return the exit code (output.h). */
#ifndef ABIDRIFT_COMMANDS_VERBS_H
#define ABIDRIFT_COMMANDS_VERBS_H

struct options;

int verb_run(const struct options *o);
int verb_doctor(const struct options *o);
int verb_ls(const struct options *o);
int verb_show(const struct options *o);
int verb_diff(const struct options *o);
int verb_history(const struct options *o);
int verb_accept(const struct options *o);
int verb_maintenance(const struct options *o);
int verb_alert(const struct options *o);
int verb_record(const struct options *o);
int verb_replay(const struct options *o);
int verb_export(const struct options *o);
int verb_serve(const struct options *o);
int verb_store(const struct options *o);
int verb_version(const struct options *o);

#endif
