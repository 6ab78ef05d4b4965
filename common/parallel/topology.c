/* The host's cores in the order of its memory domains, and the threads' places on them. */
#include "parallel/topology.h"

#include <hwloc.h>
#include <hwloc/glibc-sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A core: its CPUs within the mask. */
struct core {
    int domain;
    hwloc_bitmap_t cpus;
};

struct host_map {
    hwloc_topology_t topology;
    struct core *core;
    int cores, domains;
    bool by_cpu; /* a core here is one hardware thread: there are more ranks than cores */
};

static void
map_release(struct host_map *h)
{
    for (int i = 0; i < h->cores; i++)
        hwloc_bitmap_free(h->core[i].cpus);
    free(h->core);
    hwloc_topology_destroy(h->topology);
}

/* Appends the cores (where there are none, the CPUs) of a domain that the mask allows. */
static void
add_cores(struct host_map *h, hwloc_const_cpuset_t domain, hwloc_const_cpuset_t mask)
{
    bool cores = hwloc_get_nbobjs_by_type(h->topology, HWLOC_OBJ_CORE) > 0 && !h->by_cpu;
    hwloc_obj_type_t type = cores ? HWLOC_OBJ_CORE : HWLOC_OBJ_PU;
    int before = h->cores;

    for (hwloc_obj_t o = NULL; (o = hwloc_get_next_obj_by_type(h->topology, type, o));) {
        hwloc_bitmap_t cpus = hwloc_bitmap_alloc();

        hwloc_bitmap_and(cpus, o->cpuset, domain);
        hwloc_bitmap_and(cpus, cpus, mask);
        if (hwloc_bitmap_iszero(cpus)) {
            hwloc_bitmap_free(cpus);
            continue;
        }
        h->core = mem_grow_array(h->core, (size_t)h->cores + 1, sizeof *h->core);
        h->core[h->cores++] = (struct core){h->domains, cpus};
    }
    h->domains += h->cores > before;
}

static bool
map_open(struct host_map *h, const cpu_set_t *cpus, bool by_cpu)
{
    hwloc_bitmap_t mask;

    *h = (struct host_map){.by_cpu = by_cpu};
    if (hwloc_topology_init(&h->topology) != 0)
        return false;
    if (hwloc_topology_load(h->topology) != 0) {
        hwloc_topology_destroy(h->topology);
        return false;
    }
    mask = hwloc_bitmap_alloc();
    hwloc_cpuset_from_glibc_sched_affinity(h->topology, mask, cpus, sizeof *cpus);
    for (hwloc_obj_t o = NULL;
         (o = hwloc_get_next_obj_by_type(h->topology, HWLOC_OBJ_NUMANODE, o));)
        add_cores(h, o->cpuset, mask);
    hwloc_bitmap_free(mask);
    return true;
}

/* Cores [*begin, *end) of a rank: whole domains while there are enough, else a run of cores. */
static void
share_of(const struct host_map *h, int ranks, int rank, int *begin, int *end)
{
    if (ranks > h->domains) {
        *begin = (int)((int64_t)h->cores * rank / ranks);
        *end = (int)((int64_t)h->cores * (rank + 1) / ranks);
        return;
    }
    int first = h->domains * rank / ranks, last = h->domains * (rank + 1) / ranks;

    for (*begin = 0; *begin < h->cores && h->core[*begin].domain < first;)
        ++*begin;
    for (*end = *begin; *end < h->cores && h->core[*end].domain < last;)
        ++*end;
}

/* The n-th CPU of a core; -1: it has fewer. */
static int
cpu_of(const struct core *c, int n)
{
    int cpu = hwloc_bitmap_first(c->cpus);

    while (cpu >= 0 && n-- > 0)
        cpu = hwloc_bitmap_next(c->cpus, cpu);
    return cpu;
}

static void
add_domain(const struct host_map *h, int domain, cpu_set_t *set)
{
    for (int i = 0; i < h->cores; i++)
        for (int n = 0, cpu; h->core[i].domain == domain && (cpu = cpu_of(&h->core[i], n)) >= 0; n++)
            CPU_SET((size_t)cpu, set);
}

/* Threads on cores [begin, end): first CPUs first. How many found a place. */
static int
seat_threads(const struct host_map *h, int begin, int end, bool whole_domain, int threads,
             cpu_set_t *out)
{
    int seated = 0;

    for (int n = 0, found = 1; seated < threads && found; n++) {
        found = 0;
        for (int i = begin; i < end && seated < threads; i++) {
            int cpu = cpu_of(&h->core[i], n);

            if (cpu < 0 || cpu >= CPU_SETSIZE)
                continue;
            found = 1;
            CPU_ZERO(&out[seated]);
            if (whole_domain)
                add_domain(h, h->core[i].domain, &out[seated]);
            else
                CPU_SET((size_t)cpu, &out[seated]);
            seated++;
        }
    }
    return seated;
}

bool
topology_seats(const cpu_set_t *mask, int ranks, int rank, int threads, struct seats *s)
{
    struct host_map h;
    int begin, end, seated;

    *s = (struct seats){0};
    if (!map_open(&h, mask, false))
        return false;
    if (h.cores < ranks) {
        map_release(&h);
        if (!map_open(&h, mask, true))
            return false;
    }
    share_of(&h, ranks, rank, &begin, &end);
    s->thread = mem_array((size_t)threads, sizeof *s->thread);
    s->domains = h.domains;
    seated = seat_threads(&h, begin, end, ranks == 1, threads, s->thread);
    map_release(&h);
    if (seated == threads)
        return true;
    seats_release(s);
    return false;
}

void
seats_release(struct seats *s)
{
    free(s->thread);
    *s = (struct seats){0};
}
