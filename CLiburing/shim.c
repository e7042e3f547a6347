#define _GNU_SOURCE
#include "CLiburing.h"

#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <linux/xfrm.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(struct guise_mmsghdr) == sizeof(struct mmsghdr), "mmsghdr layout");
_Static_assert(offsetof(struct guise_mmsghdr, msg_len) == offsetof(struct mmsghdr, msg_len), "mmsghdr layout");

static int result_or_errno(int result) { return result < 0 ? -errno : result; }

/* io_uring */

int guise_submit_and_wait(struct io_uring *ring, uint64_t timeout_ns) {
  struct io_uring_cqe *cqe;
  if (timeout_ns == 0)
    return io_uring_submit_and_get_events(ring);
  if (timeout_ns == UINT64_MAX)
    return io_uring_submit_and_wait(ring, 1);
  struct __kernel_timespec ts = {.tv_sec = (long long)(timeout_ns / 1000000000ull),
                                 .tv_nsec = (long long)(timeout_ns % 1000000000ull)};
  return io_uring_submit_and_wait_timeout(ring, &cqe, 1, &ts, NULL);
}

int guise_enter(struct io_uring *ring, uint32_t wait_count, uint32_t flags, const void *argument, size_t size) {
  /* liburing 2.3 maps the slots once, at set-up, so that showing the new tail is all. */
  uint32_t tail = ring->sq.sqe_tail;
  ring->sq.sqe_head = tail;
  io_uring_smp_store_release(ring->sq.ktail, tail);
  uint32_t count = tail - *ring->sq.khead;
  uint32_t registered = ring->enter_ring_fd != ring->ring_fd ? IORING_ENTER_REGISTERED_RING : 0;
  return result_or_errno((int)syscall(SYS_io_uring_enter, ring->enter_ring_fd, count, wait_count, registered | flags,
                                      argument, size));
}

int guise_probe_op(struct io_uring *ring, int op) {
  struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
  if (!probe)
    return -ENOSYS;
  int supported = op <= probe->last_op && (probe->ops[op].flags & IO_URING_OP_SUPPORTED) != 0;
  io_uring_free_probe(probe);
  return supported;
}

int guise_restrict_ring(struct io_uring *ring, const struct io_uring_restriction *restrictions, unsigned count) {
  return result_or_errno(
      (int)syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_RESTRICTIONS, restrictions, count));
}

int guise_enable_ring(struct io_uring *ring) {
  return result_or_errno((int)syscall(SYS_io_uring_register, ring->ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0));
}

/* epoll */

int guise_epoll_create(void) { return result_or_errno(epoll_create1(EPOLL_CLOEXEC)); }

int guise_epoll_add(int epoll, int fd, uint32_t events, uint64_t token) {
  struct epoll_event event = {.events = events, .data.u64 = token};
  return result_or_errno(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
}

int guise_epoll_wait(int epoll, void *events, int count, int timeout_ms) {
  return result_or_errno(epoll_wait(epoll, events, count, timeout_ms));
}

/* By number: the C library's wrapper is younger than the call (glibc 2.35). */
int guise_epoll_wait_ns(int epoll, void *events, int count, uint64_t timeout_ns) {
  struct __kernel_timespec timeout = {.tv_sec = (long long)(timeout_ns / 1000000000ull),
                                      .tv_nsec = (long long)(timeout_ns % 1000000000ull)};
  return result_or_errno((int)syscall(SYS_epoll_pwait2, epoll, events, count,
                                      timeout_ns == UINT64_MAX ? NULL : &timeout, NULL, (size_t)0));
}

/* Sockets */

int guise_recvmmsg(int fd, struct guise_mmsghdr *messages, unsigned int count, int flags) {
  return result_or_errno(recvmmsg(fd, (struct mmsghdr *)messages, count, flags, NULL));
}

int guise_receive_from_process(int fd, void *bytes, size_t length, int *sender) {
  union {
    struct cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(struct ucred))];
  } control;
  struct iovec vector = {.iov_base = bytes, .iov_len = length};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = &control,
                           .msg_controllen = sizeof control};
  ssize_t count = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
  if (count < 0) return -errno;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  *sender = 0;
  if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS) {
    struct ucred credentials;
    memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
    *sender = credentials.pid;
  }
  return (int)count;
}

int guise_sendmmsg(int fd, struct guise_mmsghdr *messages, unsigned int count, int flags) {
  return result_or_errno(sendmmsg(fd, (struct mmsghdr *)messages, count, flags));
}

size_t guise_put_source4(void *control, size_t offset, const uint8_t address[4]) {
  struct in_pktinfo info;
  memset(&info, 0, sizeof info);
  memcpy(&info.ipi_spec_dst, address, 4);
  return guise_put_cmsg(control, offset, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
}

size_t guise_put_source6(void *control, size_t offset, const uint8_t address[16], uint32_t interface_index) {
  struct in6_pktinfo info;
  memset(&info, 0, sizeof info);
  memcpy(&info.ipi6_addr, address, 16);
  info.ipi6_ifindex = interface_index;
  return guise_put_cmsg(control, offset, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
}

/* Threads */

int guise_pin_thread(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return result_or_errno(sched_setaffinity(0, sizeof set, &set));
}

int guise_name_thread(const char *name) { return -pthread_setname_np(pthread_self(), name); }

int guise_eventfd(void) { return result_or_errno(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

int guise_eventfd_signal(int fd) { return result_or_errno(eventfd_write(fd, 1)); }


static struct timespec timespec_of(uint64_t nanoseconds) {
  return (struct timespec){.tv_sec = (time_t)(nanoseconds / 1000000000ull),
                           .tv_nsec = (long)(nanoseconds % 1000000000ull)};
}

void guise_rest_until(uint64_t nanoseconds) {
  struct timespec t = timespec_of(nanoseconds);
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

void guise_make_timers_precise(void) { prctl(PR_SET_TIMERSLACK, 1ul, 0ul, 0ul, 0ul); }

uint64_t guise_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* Confinement */

int guise_thread_become(uint32_t user, uint32_t group) {
  if (syscall(SYS_setgroups, (size_t)0, NULL) < 0 || syscall(SYS_setresgid, group, group, group) < 0)
    return -errno;
  return result_or_errno((int)syscall(SYS_setresuid, user, user, user));
}

int guise_thread_keep_capabilities(void) { return result_or_errno(prctl(PR_SET_KEEPCAPS, 1ul, 0ul, 0ul, 0ul)); }

int guise_thread_set_capabilities(uint64_t own, uint64_t inheritable) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
      {.effective = (uint32_t)own, .permitted = (uint32_t)own, .inheritable = (uint32_t)inheritable},
      {.effective = (uint32_t)(own >> 32), .permitted = (uint32_t)(own >> 32),
       .inheritable = (uint32_t)(inheritable >> 32)}};
  return result_or_errno((int)syscall(SYS_capset, &header, data));
}

int guise_thread_forbid_capability(int capability) {
  return result_or_errno(prctl(PR_CAPBSET_DROP, (unsigned long)capability, 0ul, 0ul, 0ul));
}

int guise_thread_clear_ambient(void) {
  return result_or_errno(prctl(PR_CAP_AMBIENT, (unsigned long)PR_CAP_AMBIENT_CLEAR_ALL, 0ul, 0ul, 0ul));
}

int guise_thread_raise_ambient(int capability) {
  return result_or_errno(
      prctl(PR_CAP_AMBIENT, (unsigned long)PR_CAP_AMBIENT_RAISE, (unsigned long)capability, 0ul, 0ul));
}

int guise_thread_refuse_new_privileges(void) {
  return result_or_errno(prctl(PR_SET_NO_NEW_PRIVS, 1ul, 0ul, 0ul, 0ul));
}

int guise_signal_when_parent_ends(int signal) {
  return result_or_errno(prctl(PR_SET_PDEATHSIG, (unsigned long)signal, 0ul, 0ul, 0ul));
}

int guise_thread_filter_calls(const struct sock_filter *program, uint16_t count, uint32_t flags) {
  struct sock_fprog header = {.len = count, .filter = (struct sock_filter *)program};
  return result_or_errno((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &header));
}

int guise_has_filter_action(uint32_t action) {
  return result_or_errno((int)syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
}

/* TUN */

int guise_tun_open(void) { return result_or_errno(open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC)); }

int guise_tun_attach(int fd, char name[GUISE_TUN_NAME_MAX], int exclusive) {
  struct ifreq request;
  memset(&request, 0, sizeof request);
  request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE |
                      (exclusive ? IFF_TUN_EXCL : 0);
  memcpy(request.ifr_name, name, IFNAMSIZ - 1);
  int result = ioctl(fd, TUNSETIFF, &request);
  if (result < 0)
    return -errno;
  memcpy(name, request.ifr_name, IFNAMSIZ);
  return 0;
}

int guise_tun_set_vnet_header_size(int fd, int size) { return result_or_errno(ioctl(fd, TUNSETVNETHDRSZ, &size)); }

int guise_tun_set_offload(int fd, int enabled) {
  unsigned long flags = enabled ? TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 : 0;
  return result_or_errno(ioctl(fd, TUNSETOFFLOAD, flags));
}

int guise_tun_set_persistent(int fd, int enabled) { return result_or_errno(ioctl(fd, TUNSETPERSIST, (unsigned long)enabled)); }

int guise_tun_set_steering(int fd, int program) { return result_or_errno(ioctl(fd, TUNSETSTEERINGEBPF, &program)); }

int guise_tun_set_queue(int fd, int attached) {
  struct ifreq request;
  memset(&request, 0, sizeof request);
  request.ifr_flags = attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE;
  return result_or_errno(ioctl(fd, TUNSETQUEUE, &request));
}

int guise_tun_check(int fd) {
  struct ifreq request;
  memset(&request, 0, sizeof request);
  return result_or_errno(ioctl(fd, TUNGETIFF, &request));
}

static int link_request(const char *name, unsigned long request, struct ifreq *value) {
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return -errno;
  memset(value->ifr_name, 0, IFNAMSIZ);
  strncpy(value->ifr_name, name, IFNAMSIZ - 1);
  int result = result_or_errno(ioctl(fd, request, value));
  close(fd);
  return result;
}

int guise_link_set_mtu(const char *name, int mtu) {
  struct ifreq value = {.ifr_mtu = mtu};
  return link_request(name, SIOCSIFMTU, &value);
}

int guise_link_get_mtu(const char *name) {
  struct ifreq value = {0};
  int result = link_request(name, SIOCGIFMTU, &value);
  return result < 0 ? result : value.ifr_mtu;
}

int guise_link_set_tx_queue_length(const char *name, int length) {
  struct ifreq value = {.ifr_qlen = length};
  return link_request(name, SIOCSIFTXQLEN, &value);
}

int guise_netlink_monitor(enum guise_changes changes) {
  int is_ipsec = changes == GUISE_CHANGES_IPSEC;
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, is_ipsec ? NETLINK_XFRM : NETLINK_NETFILTER);
  if (fd < 0)
    return -errno;
  uint32_t group = is_ipsec ? XFRMNLGRP_POLICY : NFNLGRP_NFTABLES;
  struct sockaddr_nl own = {.nl_family = AF_NETLINK, .nl_groups = 1u << (group - 1)};
  if (bind(fd, (struct sockaddr *)&own, sizeof own) < 0) {
    int error = errno;
    close(fd);
    return -error;
  }
  return fd;
}

int guise_netlink_drain(int fd) {
  char message[4096];
  int heard = 0;
  /* ENOBUFS: there was more than fits, and the rest is still to be read (netlink(7)). */
  while (fd >= 0 && (recv(fd, message, sizeof message, MSG_DONTWAIT | MSG_TRUNC) >= 0 || errno == ENOBUFS || errno == EINTR))
    heard = 1;
  return heard;
}

int guise_link_get_offload(const char *name, uint32_t offload) {
  static const uint32_t commands[] = {ETHTOOL_GGRO, ETHTOOL_GGSO, ETHTOOL_GTSO};
  if (offload >= sizeof commands / sizeof commands[0])
    return -EINVAL;
  struct ethtool_value answer = {.cmd = commands[offload]};
  struct ifreq value = {.ifr_data = (char *)&answer};
  int result = link_request(name, SIOCETHTOOL, &value);
  return result < 0 ? result : answer.data != 0;
}

int guise_link_get_type(const char *name) {
  struct ifreq value = {0};
  int result = link_request(name, SIOCGIFHWADDR, &value);
  return result < 0 ? result : value.ifr_hwaddr.sa_family;
}

int guise_link_get_flags(const char *name) {
  struct ifreq value = {0};
  int result = link_request(name, SIOCGIFFLAGS, &value);
  return result < 0 ? result : (uint16_t)value.ifr_flags;
}

/* Files in memory */

int guise_memory_file(const char *name) { return result_or_errno(memfd_create(name, MFD_CLOEXEC)); }

/* bpf(2) */

static int bpf(int command, void *attributes, uint32_t size) {
  return result_or_errno((int)syscall(SYS_bpf, command, attributes, size));
}

static uint64_t pointer(const void *memory) { return (uint64_t)(uintptr_t)memory; }

int guise_bpf_memory(uint32_t bytes, const char *name) {
  union bpf_attr a;
  memset(&a, 0, sizeof a);
  a.map_type = BPF_MAP_TYPE_ARRAY;
  a.key_size = 4;
  a.value_size = bytes;
  a.max_entries = 1;
  a.map_flags = BPF_F_MMAPABLE;
  strncpy(a.map_name, name, sizeof a.map_name - 1);
  return bpf(BPF_MAP_CREATE, &a, sizeof a);
}

int guise_bpf_load(uint32_t kind, const struct bpf_insn *instructions, uint32_t count, const char *license,
                   const char *name) {
  union bpf_attr a;
  memset(&a, 0, sizeof a);
  a.prog_type = kind;
  a.insns = pointer(instructions);
  a.insn_cnt = count;
  a.license = pointer(license);
  strncpy(a.prog_name, name, sizeof a.prog_name - 1);
  /* The verifier gives up where a signal comes in between (`do_check`). */
  int result = -EAGAIN;
  for (int attempt = 0; attempt < 100 && result == -EAGAIN; attempt++)
    result = bpf(BPF_PROG_LOAD, &a, sizeof a);
  return result;
}

int guise_bpf_try(int program, const void *packet, uint32_t bytes, void *out, uint32_t *out_bytes, int *answer) {
  union bpf_attr a;
  memset(&a, 0, sizeof a);
  a.test.prog_fd = (uint32_t)program;
  a.test.data_in = pointer(packet);
  a.test.data_size_in = bytes;
  a.test.data_out = pointer(out);
  a.test.data_size_out = *out_bytes;
  a.test.repeat = 1;
  int result = bpf(BPF_PROG_TEST_RUN, &a, sizeof a);
  *out_bytes = a.test.data_size_out;
  *answer = (int)a.test.retval;
  return result;
}

/* BPF_TCX_INGRESS, which headers have since Linux 6.6. */
enum { TCX_INGRESS = 46 };

int guise_bpf_count_tcx_ingress(uint32_t device) {
  union bpf_attr a;
  memset(&a, 0, sizeof a);
  /* Where headers of Linux 6.6 say target_ifindex. */
  a.query.target_fd = device;
  a.query.attach_type = TCX_INGRESS;
  int result = bpf(BPF_PROG_QUERY, &a, sizeof a.query);
  /* A device with neither such programs nor clsact. */
  if (result == -ENOENT)
    return 0;
  return result < 0 ? result : (int)a.query.prog_cnt;
}
