/*
 * Checkpoints from any layout to any other, on this number of ranks: the same bytes in every
 * file, saved at once or while the arrays change behind the guard.
 */
#include <time.h>
#include <unistd.h>

#include "base/die.h"
#include "checkpoint/writer.h"
#include "parallel/mpi_comm.h"
#include "parallel/mpi_end.h"
#include "tests/mpi/ranks.h"
#include "tests/unit/checkpoint_make.h"

static struct comm *world;
static const char *const layout_names[] = {"even blocks", "columns", "rows", "random runs",
                                           "blocks of columns"};

/* One process' save, to compare with. */
static void
save_alone(struct made *m)
{
    m->save.directory = "alone";
    int result = world->rank == 0 ? checkpoint_save(comm_single(), &m->layout, &m->save, NULL) : 0;
    if (!ok_all(world, result == 0, "saved by one process"))
        diag("%s", err_text());
}

static void
test_layout(struct made *m, enum made_layout from, int64_t slice_blocks)
{
    struct held_list held = {0};
    struct hash128 hash;
    const char *name = layout_names[from];
    made_deal(m, &held, from, world->rank, world->size, true);
    struct checkpoint_layout layout = {
        .whole = &m->params, .held = held.data, .count = held.len, .limits = m->layout.limits};
    m->save.directory = "ranks";
    int result = checkpoint_save(world, &layout, &m->save, &hash);
    if (!ok_all(world, result == 0, "%s: saved", name))
        diag("%s", err_text());
    ok_all(world, world->rank != 0 || made_same("alone/step-00000007", "ranks/step-00000007"),
           "%s, slices of %d blocks: the same bytes in every file", name, (int)slice_blocks);
    made_free(&held);
}

static void
test_reading(struct made *m)
{
    struct checkpoint *c = checkpoint_open("ranks/step-00000007");
    if (!ok_all(world, c && checkpoint_verify(world, c) == 0, "opened and verified by all"))
        die_err();
    for (int to = 0; to < MADE_LAYOUTS; to++) {
        struct held_list held = {0};
        made_deal(m, &held, (enum made_layout)to, world->rank, world->size, false);
        struct wanted_list wanted = made_wanted(&held);
        /* A pool that has a row or two, and one that has not. */
        int result = checkpoint_read_wanted(c, wanted.data, wanted.len, 100 * sizeof(float));
        ok_all(world, result == 0 && made_equal(m, &held), "%s: read, with a small pool",
               layout_names[to]);
        result = checkpoint_read_wanted(c, wanted.data, wanted.len, 0);
        ok_all(world, result == 0 && made_equal(m, &held), "%s: read", layout_names[to]);
        made_free(&held);
        vec_release(&wanted);
    }
    checkpoint_close(c);
}

/* The part's rows and columns of the state, found without params_block_extents. */
static void
fill_part(const struct made *m, const struct params *part, float *const array[CHECKPOINT_ARRAYS])
{
    for (int i = 0; i < part->count; i++) {
        const struct param *p = &part->param[i], *from = &m->params.param[p->whole.index];
        bool vector = from->rows == 1;
        for (int r = 0; r < p->whole.runs; r++) {
            const struct row_run *run = &p->whole.run[r];
            int64_t width = vector ? 1 : p->columns, stride = vector ? 1 : from->columns;
            for (int64_t k = 0; k < run->count; k++)
                for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
                    memcpy(array[a] + p->offset + (run->local + k) * width,
                           m->array[a] + from->offset + (run->whole + k) * stride + p->whole.column,
                           (size_t)width * sizeof(float));
        }
    }
}

/* Parts of the model as training cuts them: tensor ranks, or pipeline stages. */
static void
test_part(struct made *m, const char *name, const struct model_part *p)
{
    struct params part;
    struct held_list held = {0};
    struct wanted_list wanted = {0};
    float *array[CHECKPOINT_ARRAYS], *back[CHECKPOINT_ARRAYS];
    if (params_init_part(&part, &m->config, p) < 0)
        die_err();
    size_t bytes = (size_t)part.elements * sizeof(float);
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++) {
        array[a] = mem_zalloc(bytes);
        back[a] = mem_zalloc(bytes);
    }
    fill_part(m, &part, array);
    held_add_blocks(&held, &part, 0, params_blocks(&part), (const float *const *)array);
    wanted_add_blocks(&wanted, &part, 0, params_blocks(&part), back);
    struct checkpoint_layout layout = {
        .whole = &m->params, .held = held.data, .count = held.len, .limits = m->layout.limits};
    m->save.directory = "ranks";
    int result = checkpoint_save(world, &layout, &m->save, NULL);
    if (!ok_all(world, result == 0, "%s: saved", name))
        diag("%s", err_text());
    ok_all(world, world->rank != 0 || made_same("alone/step-00000007", "ranks/step-00000007"),
           "%s: the same bytes in every file", name);
    struct checkpoint *c = checkpoint_open("ranks/step-00000007");
    result = c ? checkpoint_read_wanted(c, wanted.data, wanted.len, 0) : -1;
    bool same = result == 0;
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++) {
        same &= memcmp(array[a], back[a], bytes) == 0;
        free(array[a]);
        free(back[a]);
    }
    ok_all(world, same, "%s: each rank reads its part, what others count included", name);
    checkpoint_close(c);
    vec_release(&held);
    vec_release(&wanted);
    params_release(&part);
}

static void
test_parts(struct made *m)
{
    int rank = world->rank, size = world->size, layers = (int)m->config.num_hidden_layers;
    struct model_piece stage = {.begin = layers * rank / size,
                                .end = layers * (rank + 1) / size,
                                .embedding = rank == 0,
                                .head = rank == size - 1};
    test_part(m, "pipeline stages", &(struct model_part){.piece = &stage, .pieces = 1});
    if (m->config.num_attention_heads % size == 0) /* with 4 ranks two share a key and value head */
        test_part(m, "tensor ranks",
                  &(struct model_part){.tensor_rank = rank, .tensor_size = size});
}

/* What is saved by nobody, or twice, is found and named before anything is written. */
static void
test_cover(struct made *m)
{
    struct held_list held = {0};
    made_deal(m, &held, MADE_SHARE, world->rank, world->size, true);
    struct checkpoint_layout layout = {.whole = &m->params, .held = held.data, .count = held.len};
    bool last = world->rank == world->size - 1;
    layout.count -= last;
    m->save.directory = "cover";
    ok_all(world, checkpoint_save(world, &layout, &m->save, NULL) < 0 &&
               strstr(err_text(), "tensor head.weight: of elements "),
           "elements that nobody holds are named");
    struct held twice = held.data[held.len - 1];
    if (last)
        vec_push(&held, twice);
    layout.held = held.data;
    layout.count = held.len;
    ok_all(world, checkpoint_save(world, &layout, &m->save, NULL) < 0 &&
               strstr(err_text(), "tensor head.weight: of elements "),
           "elements that are held twice are named");
    held.data[0].at.offset = m->params.param[held.data[0].at.param].size;
    ok_all(world, checkpoint_save(world, &layout, &m->save, NULL) < 0 &&
               strstr(err_text(), "does not lie in it"),
           "an extent beyond its tensor is refused");
    ok_all(world, !file_exists("cover"), "and nothing was written");
    held.len -= last;
    made_free(&held);
}

/* The thread loses time behind every piece. */
static void
dawdle(void *arg)
{
    (void)arg;
    nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static void
spoil(struct held_list *l)
{
    for (size_t i = 0; i < l->len; i++)
        for (int a = 0; a < CHECKPOINT_ARRAYS; a++) {
            float *x = (float *)(uintptr_t)l->data[i].array[a];
            for (int64_t k = 0; k < l->data[i].at.count * l->data[i].at.repeat; k++)
                x[k] += 1;
        }
}

/* Arrays change as soon as the guard allows; the checkpoint is of the moment when it was begun. */
static void
test_writer(struct made *m, enum made_layout from, size_t pool)
{
    struct held_list held = {0};
    struct checkpoint_status status = {0};
    struct checkpoint_writer_options options = {.pool = pool, .between = dawdle};
    made_deal(m, &held, from, world->rank, world->size, true);
    struct checkpoint_layout layout = {
        .whole = &m->params, .held = held.data, .count = held.len, .limits = m->layout.limits};
    struct checkpoint_writer *w = checkpoint_writer_new(world, &layout, &options);
    m->save.directory = "later";
    int result = w ? checkpoint_begin(w, &m->save, NULL) : -1;
    int polls = 0;
    checkpoint_guard(w);
    spoil(&held);
    do {
        result = result < 0 ? result : checkpoint_poll(w, &status);
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        polls++;
    } while (result == 0 && status.phase == CHECKPOINT_WRITING);
    ok_all(world, result == 0 && status.phase == CHECKPOINT_DONE && !status.error[0] && polls > 1,
           "%s, a pool of %zu bytes: saved behind a changing state", layout_names[from], pool);
    ok_all(world, world->rank != 0 || made_same("alone/step-00000007", "later/step-00000007"),
           "the same bytes in every file");
    ok_all(world, checkpoint_poll(w, &status) == 0 && status.phase == CHECKPOINT_IDLE,
           "an end is told once");
    checkpoint_writer_free(w);
    made_free(&held);
}

/* The last rank cannot write: all learn of it, what was there stays, and the next save succeeds. */
static void
test_failure(struct made *m)
{
    struct held_list held = {0};
    struct checkpoint_status status = {0};
    struct checkpoint_writer_options options = {.between = dawdle};
    bool last = world->rank == world->size - 1;
    made_deal(m, &held, MADE_COLUMNS, world->rank, world->size, true);
    struct checkpoint_layout layout = {
        .whole = &m->params, .held = held.data, .count = held.len, .limits = m->layout.limits};
    struct checkpoint_writer *w = checkpoint_writer_new(world, &layout, &options);
    m->save.directory = "later";
    m->state.step = 8;
    int result = checkpoint_begin(w, &m->save, NULL);
    if (last)
        unlink("later/step-00000008/moment2-00005-of-00005.safetensors");
    if (result == 0)
        result = checkpoint_finish(w, &status);
    ok_all(world, result == 0 && status.phase == CHECKPOINT_FAILED &&
               strstr(status.error, "later/step-00000008/moment2-00005-of-00005.safetensors"),
           "a failed save is told to all ranks, with the file: %s", status.error);
    comm_barrier(world);
    ok_all(world, !file_exists("later/step-00000008") && file_exists("later/step-00000007"),
           "nothing of it is left, and the one before is");
    result = checkpoint_begin(w, &m->save, NULL);
    if (result == 0)
        result = checkpoint_finish(w, &status);
    ok_all(world, result == 0 && status.phase == CHECKPOINT_DONE, "the next one succeeds");
    checkpoint_writer_free(w);
    made_free(&held);
    m->state.step = 7;
}

int
main(int argc, char **argv)
{
    struct made m;
    die_set_tool("checkpoint");
    if (mpi_world(&argc, &argv, &world) != 0)
        die_err();
    made_init(&m, made_config);
    m.state.step = 7;
    m.state.position = 100;
    static const struct slice_limits limits[] = {{1, 70000}, {0, 0}};
    for (size_t l = 0; l < 2; l++) {
        m.layout.limits = limits[l];
        save_alone(&m);
        for (int from = 0; from < MADE_LAYOUTS; from += 1 + 2 * (int)l)
            test_layout(&m, (enum made_layout)from, limits[l].slice_blocks);
        test_reading(&m);
    }
    test_parts(&m);
    test_cover(&m);
    m.layout.limits = limits[0];
    save_alone(&m);
    test_writer(&m, MADE_SHARE, 1);
    test_writer(&m, MADE_SHARE, 200000);
    test_writer(&m, MADE_MIXED, 0);
    test_writer(&m, MADE_RANDOM, 300000);
    test_failure(&m);
    made_release(&m);
    static const char *const made[] = {"alone", "ranks", "later"};
    for (int i = 0; i < 3 && world->rank == 0; i++)
        file_remove_tree(made[i]);
    finish((enum status)mpi_end(world, done_all(world)));
}
