/* Sockets: what hides behind _GNU_SOURCE or is a macro. */
#ifndef GUISE_NETWORK_H
#define GUISE_NETWORK_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
  GUISE_SOL_UDP = 17,     /* IPPROTO_UDP as a socket option level */
  GUISE_UDP_SEGMENT = 103, /* linux/udp.h */
  GUISE_UDP_GRO = 104,
  GUISE_IP_BIND_ADDRESS_NO_PORT = 24, /* linux/in.h; for IPv6 sockets as well */
};

/* What the kernel tells of: changes to nftables, and to the policies of IPsec. */
enum guise_changes { GUISE_CHANGES_NFTABLES, GUISE_CHANGES_IPSEC };
/* A netlink socket that the kernel tells of every such change, close-on-exec and non-blocking, or -errno. */
int guise_netlink_monitor(enum guise_changes changes);
/* Reads all that waits in such a socket: 1 if there was something, or something was lost, else 0. */
int guise_netlink_drain(int fd);

/* What a link's driver, or the kernel in its place, does with trains: 1 or 0, or -errno (SIOCETHTOOL). */
enum guise_offload { GUISE_OFFLOAD_GRO, GUISE_OFFLOAD_GSO, GUISE_OFFLOAD_TSO };
int guise_link_get_offload(const char *name, uint32_t offload);

/* The ARPHRD_* of a link (SIOCGIFHWADDR of netdevice(7)), or -errno. */
int guise_link_get_type(const char *name);

/* The IFF_* of a link (SIOCGIFFLAGS), or -errno. */
int guise_link_get_flags(const char *name);

/* struct mmsghdr, which glibc hides behind _GNU_SOURCE. Same layout: asserted in shim.c. */
struct guise_mmsghdr {
  struct msghdr msg_hdr;
  unsigned int msg_len;
};

/* recvmmsg(2) and sendmmsg(2): the number of messages, or -errno. Never blocks when `flags` says so. */
int guise_recvmmsg(int fd, struct guise_mmsghdr *messages, unsigned int count, int flags);
int guise_sendmmsg(int fd, struct guise_mmsghdr *messages, unsigned int count, int flags);

/* recvmsg(2) on a unix socket with SO_PASSCRED: the message's length and who sent it, or -errno. */
int guise_receive_from_process(int fd, void *bytes, size_t length, int *sender);

/* The CMSG_* macros over a bare control area. */
static inline size_t guise_cmsg_space(size_t length) { return CMSG_SPACE(length); }

/* What the control messages of one received datagram say. */
struct guise_arrival {
  uint16_t segment_size;    /* UDP_GRO: 0 when it is one datagram */
  uint8_t local_family;     /* AF_INET, AF_INET6, or 0 when there was no PKTINFO */
  uint8_t local_address[16]; /* network order; IPv4 in the first four bytes */
  uint32_t interface_index;
};

/* Reads UDP_GRO, IP_PKTINFO and IPV6_PKTINFO out of a control area of `length` bytes. */
static inline struct guise_arrival guise_read_control(const void *control, size_t length) {
  struct guise_arrival a;
  __builtin_memset(&a, 0, sizeof a);
  struct msghdr m;
  __builtin_memset(&m, 0, sizeof m);
  m.msg_control = (void *)control;
  m.msg_controllen = length;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
    if (c->cmsg_level == GUISE_SOL_UDP && c->cmsg_type == GUISE_UDP_GRO) {
      int size;
      __builtin_memcpy(&size, CMSG_DATA(c), sizeof size);
      a.segment_size = (uint16_t)size;
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == 8 /* IP_PKTINFO */) {
      /* struct in_pktinfo: ifindex, spec_dst (the address to answer from), addr */
      a.local_family = AF_INET;
      __builtin_memcpy(&a.interface_index, CMSG_DATA(c), 4);
      __builtin_memcpy(a.local_address, CMSG_DATA(c) + 4, 4);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == 50 /* IPV6_PKTINFO */) {
      a.local_family = AF_INET6;
      __builtin_memcpy(a.local_address, CMSG_DATA(c), 16);
      __builtin_memcpy(&a.interface_index, CMSG_DATA(c) + 16, 4);
    }
  }
  return a;
}

/* Appends one control message at `offset`; returns the offset behind it. */
static inline size_t guise_put_cmsg(void *control, size_t offset, int level, int type, const void *value,
                                    size_t length) {
  struct cmsghdr *c = (struct cmsghdr *)((uint8_t *)control + offset);
  c->cmsg_level = level;
  c->cmsg_type = type;
  c->cmsg_len = CMSG_LEN(length);
  __builtin_memcpy(CMSG_DATA(c), value, length);
  return offset + CMSG_SPACE(length);
}

/* UDP_SEGMENT: the kernel cuts the payload into datagrams of `size` bytes. */
static inline size_t guise_put_segment_size(void *control, size_t offset, uint16_t size) {
  return guise_put_cmsg(control, offset, GUISE_SOL_UDP, GUISE_UDP_SEGMENT, &size, sizeof size);
}

/* IP_PKTINFO / IPV6_PKTINFO: the local address that the datagram leaves from. */
size_t guise_put_source4(void *control, size_t offset, const uint8_t address[4]);
size_t guise_put_source6(void *control, size_t offset, const uint8_t address[16], uint32_t interface_index);

#endif
