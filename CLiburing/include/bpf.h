/* bpf(2), as far as guise's programs need it. All calls return -errno where they fail. */
#ifndef GUISE_BPF_H
#define GUISE_BPF_H

#include <linux/bpf.h>
#include <stdint.h>

/* BPF_MAP_CREATE: the descriptor of an array of one element of `bytes`, all zero, which mmap(2) takes. */
int guise_bpf_memory(uint32_t bytes, const char *name);

/* BPF_PROG_LOAD: the descriptor of a program of a kind (`enum bpf_prog_type`). */
int guise_bpf_load(uint32_t kind, const struct bpf_insn *instructions, uint32_t count, const char *license,
                   const char *name);

/* BPF_PROG_TEST_RUN with a packet that begins with its Ethernet header: 0 or -errno. What the program returned goes into
 * `answer`; the packet as it is then into `out`, whose room is `*out_bytes`, which then says how long it is. */
int guise_bpf_try(int program, const void *packet, uint32_t bytes, void *out, uint32_t *out_bytes, int *answer);

/* BPF_PROG_QUERY: how many programs of others a device has before any filter, for what comes in by it (TCX, Linux 6.6).
 * -EINVAL where the kernel has no such thing, -EPERM without CAP_NET_ADMIN. */
int guise_bpf_count_tcx_ingress(uint32_t device);

#endif
