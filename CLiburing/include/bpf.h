/* bpf(2) and filters of tc(8), as far as programs at tc need them. All calls return -errno where they fail. */
#ifndef GUISE_BPF_H
#define GUISE_BPF_H

#include <linux/bpf.h>
#include <stdint.h>

/* BPF_MAP_CREATE: the descriptor of an array of one element of `bytes`, all zero, which mmap(2) takes. */
int guise_bpf_memory(uint32_t bytes, const char *name);

/* BPF_PROG_LOAD: the descriptor of a program for the ingress of a device (BPF_PROG_TYPE_SCHED_CLS). The verifier's words go into `log`,
 * of `log_bytes`, where that is not 0. */
int guise_bpf_load(const struct bpf_insn *instructions, uint32_t count, const char *license, const char *name,
                   char *log, uint32_t log_bytes);

/* BPF_PROG_TEST_RUN with a packet that begins with its Ethernet header: 0 or -errno. What the program returned goes into
 * `answer`; the packet as it is then into `out`, whose room is `*out_bytes`, which then says how long it is. */
int guise_bpf_try(int program, const void *packet, uint32_t bytes, void *out, uint32_t *out_bytes, int *answer);

/* The ARPHRD_* of a link (SIOCGIFHWADDR of netdevice(7)), or -errno. */
int guise_link_get_type(const char *name);

/* Lets a program see what comes in by a device (tc-bpf(8), direct-action), behind the filters of others and in the place
 * of one with the same name, which begins with `guise`. It stays until it is detached or the device goes. Gives 0 where
 * the device had a `clsact` before, without a filter, else 1. */
int guise_tc_attach(uint32_t interface_index, int program, const char *name);
/* Undoes that, and takes the `clsact` away, unless it is to be kept or others have filters there. */
int guise_tc_detach(uint32_t interface_index, const char *name, int keeps_qdisc);
/* Whether one of that name is there: 1 or 0. */
int guise_tc_is_attached(uint32_t interface_index, const char *name);
/* How many filters, not of guise's, see what comes in by a device. */
int guise_tc_foreign_filters(uint32_t interface_index);

#endif
