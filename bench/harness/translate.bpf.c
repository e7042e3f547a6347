/* Translates the addresses of a guise gateway where packets enter a device (tc, clsact), before netfilter and routing
 * see them. For measurements (tc_translation.py): IPv4 alone, one address outside, no fragments, no ICMP, no TTL.
 *
 * INNER is the address of our TCP end, OUTER the host's, both in host order; PORT is `source` at a client, where the
 * server's port is the sender's, and `dest` at a server; TUN and OUTLET are interface indexes.
 */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define CHECKSUM 16 /* of TCP, in its header */

static __always_inline void replace(struct __sk_buff *skb, int ip, int address, __be32 before, __be32 after) {
  bpf_l4_csum_replace(skb, ip + sizeof(struct iphdr) + CHECKSUM, before, after, BPF_F_PSEUDO_HDR | 4);
  bpf_l3_csum_replace(skb, ip + __builtin_offsetof(struct iphdr, check), before, after, 4);
  bpf_skb_store_bytes(skb, ip + address, &after, 4, 0);
}

/* From the TUN device: packets begin with the IP header. */
SEC("outward")
int translate_outward(struct __sk_buff *skb) {
  void *end = (void *)(long)skb->data_end;
  struct iphdr *ip = (void *)(long)skb->data;
  if ((void *)(ip + 1) > end || ip->version != 4 || ip->ihl != 5 || ip->protocol != IPPROTO_TCP ||
      ip->saddr != bpf_htonl(INNER))
    return TC_ACT_OK;
  replace(skb, 0, __builtin_offsetof(struct iphdr, saddr), bpf_htonl(INNER), bpf_htonl(OUTER));
  /* bpf_redirect_neigh drops what has no room for a link-layer header (`__bpf_redirect_neigh`). */
  if (bpf_skb_change_head(skb, ETH_HLEN, 0)) return TC_ACT_SHOT;
  return bpf_redirect_neigh(OUTLET, 0, 0, 0);
}

/* From the network, to the TUN device. */
SEC("inward")
int translate_inward(struct __sk_buff *skb) {
  void *end = (void *)(long)skb->data_end;
  struct ethhdr *link = (void *)(long)skb->data;
  struct iphdr *ip = (void *)(link + 1);
  struct tcphdr *tcp = (void *)(ip + 1);
  if ((void *)(tcp + 1) > end || link->h_proto != bpf_htons(ETH_P_IP) || ip->ihl != 5 ||
      ip->protocol != IPPROTO_TCP || ip->daddr != bpf_htonl(OUTER) || tcp->PORT != bpf_htons(TCP_PORT))
    return TC_ACT_OK;
  replace(skb, ETH_HLEN, __builtin_offsetof(struct iphdr, daddr), bpf_htonl(OUTER), bpf_htonl(INNER));
  return bpf_redirect(TUN, 0);
}

char _license[] SEC("license") = "GPL";
