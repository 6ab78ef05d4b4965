#ifndef PARALLEL_HOSTS_H
#define PARALLEL_HOSTS_H

#include "comm/comm.h"

/*
 * Which ranks of a group share memory. What an owner's run needs from a host is added up there
 * first, by the owner itself or, on another host, by the rank that leads for it: so every
 * number crosses the network once a host, and all ranks of a host send and receive.
 */
struct hosts {
    struct comm *comm;  /* the group */
    struct comm *local; /* those of it that share memory with this rank; a group of its own */
    int count, mine;    /* hosts; this rank's */
    int *host, *place;  /* [ranks] of each: its host, and its place on it */
    int *begin, *rank;  /* [count + 1], [ranks]: rank[begin[h] …] are host h's, ascending */
};

/* Collective. most: at most so many ranks share memory (tests); 0: all of a host. 0 or -1. */
int hosts_open(struct hosts *h, struct comm *c, int most);
void hosts_close(struct hosts *h);

/* The rank that leads on `host` for owner `owner`: the owner where it is, else one of its place. */
int hosts_leader(const struct hosts *h, int host, int owner);

#endif
