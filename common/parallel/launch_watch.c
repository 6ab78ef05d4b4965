/*
 * Which rank died first: each rank of this host keeps a connection to the launcher, and the kernel
 * tells of its end before MPI's launcher has killed the others. epoll reports in the order in which
 * things happened, however late it is asked.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "parallel/launch_private.h"

static const char variable[] = "LLM_WATCH"; /* the name of the launcher's socket */
enum { EVENT_STATUS = -1, EVENT_LISTEN = -2, EVENTS = 16 };

/* An abstract name (unix(7)) needs no file and goes with its socket. */
static socklen_t
address(struct sockaddr_un *a, const char *name)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    snprintf(a->sun_path + 1, sizeof a->sun_path - 1, "%s", name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(a->sun_path + 1));
}

/* ---- in a rank ---- */

void
launch_hello(int rank)
{
    const char *name = getenv(variable);
    struct sockaddr_un a;
    socklen_t n = name ? address(&a, name) : 0;
    int32_t mine = rank;
    int fd = name ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) : -1;

    /* Stays open until this process ends. On another host nobody listens. */
    if (fd >= 0 && (connect(fd, (struct sockaddr *)&a, n) != 0 ||
                    send(fd, &mine, sizeof mine, MSG_NOSIGNAL) != (ssize_t)sizeof mine))
        close(fd);
}

/* ---- in the parent ---- */

struct connection {
    int fd, rank;
    pid_t pid;
};

struct rank_watch {
    int epoll, listen, status_fd, ranks;
    struct connection *connection;
    int connections;
    int died; /* the connection that ended first; -1: none */
};

static int
watch_fd(struct rank_watch *w, int fd, int what)
{
    struct epoll_event e = {.events = EPOLLIN, .data.u64 = (uint64_t)(uint32_t)what};

    return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &e);
}

struct rank_watch *
rank_watch_new(int status_fd, int ranks)
{
    struct rank_watch *w = mem_zalloc(sizeof *w);
    struct sockaddr_un a;
    struct timespec now;
    char name[80];

    *w = (struct rank_watch){.ranks = ranks, .status_fd = status_fd, .died = -1};
    w->connection = mem_zarray((size_t)ranks, sizeof *w->connection);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    w->listen = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(name, sizeof name, "llm-launch-%d-%lld%09ld", (int)getpid(), (long long)now.tv_sec,
             now.tv_nsec);
    if (w->epoll < 0 || w->listen < 0 ||
        bind(w->listen, (struct sockaddr *)&a, address(&a, name)) != 0 ||
        listen(w->listen, ranks) != 0 || watch_fd(w, w->listen, EVENT_LISTEN) != 0 ||
        watch_fd(w, status_fd, EVENT_STATUS) != 0) {
        err_sys("watching ranks");
        rank_watch_free(w);
        return NULL;
    }
    setenv(variable, name, 1);
    return w;
}

void
rank_watch_free(struct rank_watch *w)
{
    if (!w)
        return;
    for (int i = 0; i < w->connections; i++)
        if (w->connection[i].fd >= 0)
            close(w->connection[i].fd);
    if (w->listen >= 0)
        close(w->listen);
    if (w->epoll >= 0)
        close(w->epoll);
    unsetenv(variable);
    free(w->connection);
    free(w);
}

static void
accept_rank(struct rank_watch *w)
{
    struct ucred peer = {0};
    socklen_t n = sizeof peer;
    int fd = accept4(w->listen, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    if (w->connections == w->ranks ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0 || peer.uid != geteuid()) {
        close(fd);
        return;
    }
    w->connection[w->connections] = (struct connection){.fd = fd, .rank = -1, .pid = peer.pid};
    (void)watch_fd(w, fd, w->connections++);
}

/* A rank says its number once; then nothing comes but its end. */
static void
hear_rank(struct rank_watch *w, int index)
{
    struct connection *c = &w->connection[index];
    int32_t rank;
    ssize_t n = recv(c->fd, &rank, sizeof rank, 0);

    if (n == (ssize_t)sizeof rank) {
        c->rank = rank;
        return;
    }
    close(c->fd);
    c->fd = -1;
    if (w->died < 0)
        w->died = index;
}

bool
rank_watch_next(struct rank_watch *w, int milliseconds, int *status)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(w->epoll, events, EVENTS, milliseconds);

    for (int i = 0; i < n; i++) {
        int what = (int)(uint32_t)events[i].data.u64;
        unsigned char byte;
        if (what == EVENT_LISTEN)
            accept_rank(w);
        else if (what >= 0)
            hear_rank(w, what);
        else if (read(w->status_fd, &byte, 1) != 1)
            epoll_ctl(w->epoll, EPOLL_CTL_DEL, w->status_fd, NULL); /* the last writer is gone */
        else if (*status < 0)
            *status = byte;
    }
    return n > 0;
}

void
rank_watch_name(const struct rank_watch *w, struct str *out)
{
    const struct connection *c = w->died >= 0 ? &w->connection[w->died] : NULL;

    if (c && c->rank >= 0)
        str_addf(out, "rank %d (pid %d) died", c->rank, (int)c->pid);
    else
        str_adds(out, "a rank died");
}
