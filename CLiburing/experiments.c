#define _GNU_SOURCE
#include "CLiburing.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(struct guise_wait_argument) == 24, "io_uring_getevents_arg layout");
_Static_assert(sizeof(struct guise_registered_wait) == 64, "io_uring_reg_wait layout");

static int result_or_errno(int result) { return result < 0 ? -errno : result; }

void guise_prep_writev_fixed(struct io_uring_sqe *sqe, int fd, const struct iovec *pieces, uint32_t count,
                             uint16_t index) {
  io_uring_prep_writev(sqe, fd, pieces, count, (uint64_t)-1);
  sqe->opcode = GUISE_OP_WRITEV_FIXED;
  sqe->buf_index = index;
}

int guise_register_wait_region(struct io_uring *ring, void *region, size_t size) {
  struct { /* struct io_uring_region_desc */
    uint64_t user_addr, size;
    uint32_t flags, id;
    uint64_t mmap_offset, reserved[4];
  } description = {.user_addr = (uintptr_t)region, .size = size, .flags = 1 /* IORING_MEM_REGION_TYPE_USER */};
  struct { /* struct io_uring_mem_region_reg */
    uint64_t region_uptr, flags, reserved[2];
  } request = {.region_uptr = (uintptr_t)&description, .flags = 1 /* IORING_MEM_REGION_REG_WAIT_ARG */};
  const int register_mem_region = 34;
  return result_or_errno((int)syscall(SYS_io_uring_register, ring->ring_fd, register_mem_region, &request, 1));
}

int guise_register_napi(struct io_uring *ring, uint32_t microseconds) {
  struct { /* struct io_uring_napi */
    uint32_t busy_poll_to;
    uint8_t prefer_busy_poll, opcode, pad[2];
    uint32_t tracking, reserved;
  } request = {.busy_poll_to = microseconds, .prefer_busy_poll = 1};
  const int register_napi = 27;
  return result_or_errno((int)syscall(SYS_io_uring_register, ring->ring_fd, register_napi, &request, 1));
}

int guise_new_network(void) { return result_or_errno(unshare(CLONE_NEWNET)); }

int guise_enter_network(int descriptor) { return result_or_errno(setns(descriptor, CLONE_NEWNET)); }

static int set_offload(const char *name, uint32_t command, int enabled) {
  struct ethtool_value value = {.cmd = command, .data = (uint32_t)enabled};
  struct ifreq request = {.ifr_data = (char *)&value};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return -errno;
  int result = result_or_errno(ioctl(fd, SIOCETHTOOL, &request));
  close(fd);
  return result;
}

int guise_link_set_gro(const char *name, int enabled) { return set_offload(name, ETHTOOL_SGRO, enabled); }

int guise_link_set_tso(const char *name, int enabled) { return set_offload(name, ETHTOOL_STSO, enabled); }

static uint64_t read_clock(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

uint64_t guise_thread_cpu_time(void) { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

uint64_t guise_process_cpu_time(void) { return read_clock(CLOCK_PROCESS_CPUTIME_ID); }
