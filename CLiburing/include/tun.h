/* TUN requests: _IOW macros are not imported by Swift. All return 0 or -errno. */
#ifndef GUISE_TUN_H
#define GUISE_TUN_H

#include <stdint.h>

enum { GUISE_TUN_NAME_MAX = 16 };

/* Opens /dev/net/tun (non-blocking, close-on-exec): a descriptor or -errno. */
int guise_tun_open(void);

/* TUNSETIFF with IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE.
 * `name` holds the wished name or pattern ("guise%d") and receives the real one. `exclusive` refuses
 * (-EBUSY) a device that exists already: without it, another program's multi-queue device is joined. */
int guise_tun_attach(int fd, char name[GUISE_TUN_NAME_MAX], int exclusive);

/* TUNSETVNETHDRSZ: 10 or 12 bytes. */
int guise_tun_set_vnet_header_size(int fd, int size);

/* TUNSETOFFLOAD: checksum and TSO for both families, or none. */
int guise_tun_set_offload(int fd, int enabled);

/* TUNSETPERSIST: whether the device outlives its last queue. */
int guise_tun_set_persistent(int fd, int enabled);

/* TUNSETSTEERINGEBPF: the program (BPF_PROG_TYPE_SOCKET_FILTER) that gives each packet the number of its queue; -1 for none. */
int guise_tun_set_steering(int fd, int program);

/* TUNSETQUEUE: whether packets come to this queue. Detached, it loses those that wait in it; attached again, it is the
 * device's last. */
int guise_tun_set_queue(int fd, int attached);

/* TUNGETIFF: -EBADFD once the queue's device is gone. */
int guise_tun_check(int fd);

/* Interface requests, by name. MTU and queue length in packets. */
int guise_link_set_mtu(const char *name, int mtu);
int guise_link_get_mtu(const char *name);
int guise_link_set_tx_queue_length(const char *name, int length);

#endif
