/* The least that any gateway in user space does, and nothing else: takes datagrams, or trains of them, on a UDP port
   and sends them on. What two of these carry is a yardstick for two gateways whose every byte passes through user space;
   no bound, since they do not batch.

   relay PORT TO-ADDRESS TO-PORT */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static int failed(const char *operation) {
  perror(operation);
  return 1;
}

int main(int count, char **words) {
  if (count != 4)
    return fputs("usage: relay PORT TO-ADDRESS TO-PORT\n", stderr), 2;
  struct sockaddr_in own = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1]))};
  struct sockaddr_in next = {.sin_family = AF_INET, .sin_port = htons(atoi(words[3]))};
  if (inet_pton(AF_INET, words[2], &next.sin_addr) != 1)
    return fprintf(stderr, "relay: no address: %s\n", words[2]), 2;
  int in = socket(AF_INET, SOCK_DGRAM, 0), out = socket(AF_INET, SOCK_DGRAM, 0);
  if (in < 0 || out < 0)
    return failed("socket");
  /* As guise has them. */
  int receive_bytes = 8 << 20, send_bytes = 4 << 20, on = 1;
  if (setsockopt(in, SOL_SOCKET, SO_RCVBUFFORCE, &receive_bytes, sizeof receive_bytes) < 0 ||
      setsockopt(out, SOL_SOCKET, SO_SNDBUFFORCE, &send_bytes, sizeof send_bytes) < 0 ||
      setsockopt(in, SOL_UDP, UDP_GRO, &on, sizeof on) < 0)
    return failed("setsockopt");
  if (connect(out, (struct sockaddr *)&next, sizeof next) < 0)
    return failed("connect");
  if (bind(in, (struct sockaddr *)&own, sizeof own) < 0)
    return failed("bind");

  static char bytes[1 << 16];
  int segment = 0;
  for (;;) {
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {bytes, sizeof bytes};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    ssize_t length = recvmsg(in, &message, 0);
    if (length < 0)
      return failed("recvmsg");
    int of_this = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
      if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO)
        memcpy(&of_this, CMSG_DATA(c), sizeof of_this);
    if (of_this != segment && setsockopt(out, SOL_UDP, UDP_SEGMENT, &of_this, sizeof of_this) < 0)
      return failed("setsockopt(UDP_SEGMENT)");
    segment = of_this;
    /* What the next one does not take is lost, as with UDP. */
    send(out, bytes, length, 0);
  }
}
