/*
 * Checkpoints: what is saved is read back, the same state gives the same bytes, and
 * every damaged or missing byte is found and placed.
 */
#include "checkpoint/checkpoint.h"

#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "tests/unit/checkpoint_make.h"

static void
set_up(struct made *f)
{
    made_init(f, made_config);
    f->state = (struct training_state){.step = 7,
                                       .position = 3584,
                                       .chain = 0xfedcba9876543210u,
                                       .scored = 3500,
                                       .seed = 1,
                                       .reduce_groups = 2};
    f->state.fingerprint[3] = 0xab;
    f->state.kernels = mem_strdup("ref");
    training_state_option(&f->state, "lr", "0.001");
    training_state_option(&f->state, "lr", "0.002");
    training_state_source(&f->state, "ja", 3000);
    training_state_source(&f->state, "ja", 84);
    training_state_source(&f->state, "en", 500);
    training_state_change(&f->state, 0, f->state.options, 1);
    static char schedule[] = "1f1b";
    struct training_layout layout = {1, 1, 1, 4, 2, 1, schedule};
    training_state_lay_out(&f->state, 0, &layout);
    training_state_lay_out(&f->state, 3, &layout);
    layout.data = 2;
    training_state_lay_out(&f->state, 5, &layout);
    training_state_skip(&f->state, 2, "--skip");
    training_state_skip(&f->state, 3, "--skip");
    training_state_skip(&f->state, 4, "spike");
}

static int
save(struct made *f, const char *directory, int64_t step, struct hash128 *h)
{
    f->save.directory = directory;
    f->state.step = step;
    return checkpoint_save(comm_single(), &f->layout, &f->save, h);
}

static void
test_round_trip(struct made *f)
{
    struct hash128 h, coarse;
    if (!ok(save(f, "run", 7, &h) == 0, "saved"))
        diag("%s", err_text());
    struct checkpoint *c = checkpoint_open("run/step-00000007");
    if (!ok(c != NULL, "opened")) {
        diag("%s", err_text());
        return;
    }
    const struct training_state *s = &c->manifest.state;
    ok(c->manifest.state_hash.low == h.low && c->manifest.state_hash.high == h.high, "state_hash");
    is_int(s->step, 7, "step");
    is_int((int64_t)s->position, 3584, "position");
    ok(s->chain == 0xfedcba9876543210u, "chain");
    ok(s->source_count == 2 && s->sources[0].tokens == 3084, "tokens by source");
    ok(s->fingerprint[3] == 0xab && s->fingerprint[15] == 0, "fingerprint");
    is_str(training_state_get(s, "lr"), "0.002", "options");
    ok(s->history_count == 2 && s->history[0].count == 1, "history of options");
    const struct training_layout *layout = training_state_layout(s);
    ok(layout && layout->data == 2 && layout->pipeline == 2 && s->history[0].layout &&
           s->history[0].layout->data == 4 && strcmp(layout->schedule, "1f1b") == 0,
       "history of layouts");
    ok(s->skipped_count == 2 && s->skipped[0].first == 2 && s->skipped[0].last == 3 &&
           s->skipped[1].first == 4 && strcmp(s->skipped[1].why, "spike") == 0,
       "skipped steps");
    is_int(s->reduce_groups, 2, "reduce groups");
    is_str(s->kernels, "ref", "kernel table");
    is_str(s->blas, "", "no BLAS");
    is_str(c->config.json, made_config, "config.json is the text that was given");

    float *back[CHECKPOINT_ARRAYS];
    bool same = true;
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++) {
        back[a] = mem_alloc((size_t)f->params.elements * sizeof(float));
        same &= checkpoint_read(c, (enum checkpoint_array)a, back[a]) == 0 &&
                memcmp(back[a], f->array[a], (size_t)f->params.elements * sizeof(float)) == 0;
    }
    ok(same, "all three arrays are the same bits, gaps zero");

    int head = params_find(&f->params, "head.weight");
    float piece[20000];
    ok(checkpoint_read_range(c, CHECKPOINT_MOMENT1, head, 2000, 20000, piece) == 0 &&
           !memcmp(piece, f->array[1] + f->params.param[head].offset + 2000, sizeof piece),
       "a range across two slices and files");
    ok(checkpoint_read_range(c, CHECKPOINT_MASTER, head, 22000, 401, piece) < 0,
       "a range beyond the tensor is refused");
    ok(checkpoint_verify(comm_single(), c) == 0, "verified");
    for (int a = 0; a < CHECKPOINT_ARRAYS; a++)
        free(back[a]);
    checkpoint_close(c);

    struct slice_limits fine = f->layout.limits;
    f->layout.limits = (struct slice_limits){0};
    ok(save(f, "coarse", 7, &coarse) == 0 && coarse.low == h.low && coarse.high == h.high,
       "state_hash does not depend on how the state is cut");
    f->layout.limits = fine;
    float kept = f->array[2][5];
    f->array[2][5] += 1.0f;
    ok(save(f, "other", 7, &coarse) == 0 && coarse.low != h.low, "one element changes it");
    f->array[2][5] = kept;
    ok(save(f, "other", 8, &coarse) == 0 && coarse.low != h.low, "the step changes it");
}

/* Twice the same state: the same bytes in every file. */
static void
test_deterministic(struct made *f)
{
    ok(save(f, "twice", 7, NULL) == 0 && save(f, "twice", 7, NULL) == 0,
       "saved over a complete checkpoint of the same step");
    struct checkpoint *c = checkpoint_open("run/step-00000007");
    bool same = made_same("run/step-00000007", "twice/step-00000007");
    ok(same && c->manifest.files == 3 + 3 * 5, "all files are the same bytes (%zu)",
       c ? c->manifest.files : 0);
    checkpoint_close(c);
}

/* Opened and verified: 0, or the class of the error. */
static enum status
check(const char *path)
{
    err_clear();
    struct checkpoint *c = checkpoint_open(path);
    enum status status = c && checkpoint_verify(comm_single(), c) == 0 ? STATUS_OK : err_status();
    checkpoint_close(c);
    return status;
}

static void
store_raw(const char *path, const void *data, size_t n)
{
    FILE *out = fopen(path, "wb");
    if (!out || fwrite(data, 1, n, out) != n || fclose(out) != 0)
        exit(1);
}

/* Is a message of the form "…/FILE…", with a place? */
static bool
names(const char *file)
{
    return strstr(err_text(), file) != NULL;
}

static void
test_manifest_damage(void)
{
    static const char path[] = "run/step-00000007/manifest.json";
    struct str text = {0};
    struct manifest m;
    int64_t cut = 0, flipped = 0;
    if (file_load(path, 1 << 20, &text) < 0)
        exit(1);
    for (size_t n = 0; n < text.len; n++) {
        char *copy = mem_dup(text.data, n ? n : 1); /* of exactly n bytes, for the sanitizer */
        cut += manifest_parse(&m, "m", copy, n) == 0 || err_status() != STATUS_INPUT;
        free(copy);
    }
    is_int(cut, 0, "every truncation of the manifest (%zu bytes) is refused", text.len);
    for (size_t i = 0; i < text.len; i++) {
        text.data[i] = (char)(text.data[i] ^ (1 << i % 8));
        flipped += manifest_parse(&m, "m", text.data, text.len) == 0;
        text.data[i] = (char)(text.data[i] ^ (1 << i % 8));
    }
    is_int(flipped, 0, "a flipped bit in every byte of the manifest is found");
    ok(manifest_parse(&m, "m", text.data, text.len) == 0, "and whole it is accepted");
    manifest_release(&m);
    str_release(&text);
}

/* A flipped bit in each file: at its first and last byte and at places in between. */
static void
test_file_damage(void)
{
    struct checkpoint *c = checkpoint_open("run/step-00000007");
    int64_t missed = 0, unplaced = 0, tried = 0, shorter = 0;
    for (size_t i = 0; c && i < c->manifest.files; i++) {
        char *path = file_join(c->path, c->manifest.file[i].name);
        struct str text = {0};
        if (file_load(path, 1 << 24, &text) < 0)
            exit(1);
        size_t step = text.len / 40 + 1;
        for (size_t at = 0; at < text.len;
             at = at + step < text.len || at == text.len - 1 ? at + step : text.len - 1) {
            text.data[at] = (char)(text.data[at] ^ (1 << at % 8));
            store_raw(path, text.data, text.len);
            text.data[at] = (char)(text.data[at] ^ (1 << at % 8));
            tried++;
            missed += check("run/step-00000007") != STATUS_INPUT;
            unplaced += !names(c->manifest.file[i].name) || !strstr(err_text(), "bytes ");
        }
        store_raw(path, text.data, text.len - 1);
        shorter += check("run/step-00000007") == STATUS_INPUT && names(c->manifest.file[i].name);
        unlink(path);
        shorter += check("run/step-00000007") == STATUS_INPUT && names(c->manifest.file[i].name);
        store_raw(path, text.data, text.len);
        free(path);
        str_release(&text);
    }
    is_int(missed, 0, "%d flipped bits are found", (int)tried);
    is_int(unplaced, 0, "and placed: file and bytes");
    is_int(shorter, c ? 2 * (int64_t)c->manifest.files : -1,
           "each file one byte short, and missing, is found and named");
    is_int(check("run/step-00000007"), STATUS_OK, "put right, all is well again");
    checkpoint_close(c);
}

static void
count_damaged(void *arg, const char *message)
{
    struct str *seen = arg;
    str_addf(seen, "%s\n", message);
}

static void
test_resume(struct made *f)
{
    struct checkpoint *c = NULL;
    struct str seen = {0};
    is_int(checkpoint_resume(comm_single(), "nothing", count_damaged, &seen, &c), 0,
           "nothing to resume");
    for (int64_t step = 10; step <= 30; step += 10)
        ok(save(f, "r", step, NULL) == 0, "step %d saved", (int)step);
    ok(checkpoint_resume(comm_single(), "r", count_damaged, &seen, &c) == 1 &&
           c->manifest.state.step == 30 && seen.len == 0,
       "the newest");
    checkpoint_close(c);
    ok(truncate("r/step-00000030/moment2-00003-of-00005.safetensors", 100) == 0, "damage it");
    ok(checkpoint_resume(comm_single(), "r", count_damaged, &seen, &c) == 1 &&
           c->manifest.state.step == 20,
       "then the one before");
    ok(seen.data && strstr(seen.data, "r/step-00000030/moment2-00003-of-00005.safetensors"),
       "the damaged one is named");
    checkpoint_close(c);
    ok(unlink("r/step-00000020/manifest.json") == 0, "one without a manifest");
    ok(checkpoint_resume(comm_single(), "r", count_damaged, &seen, &c) == 1 &&
           c->manifest.state.step == 10,
       "does not count");
    checkpoint_close(c);
    ok(truncate("r/step-00000010/manifest.json", 50) == 0 &&
           checkpoint_resume(comm_single(), "r", count_damaged, &seen, &c) == -1 &&
           err_status() == STATUS_INPUT,
       "all damaged: an error");
    str_release(&seen);
}

static int64_t
steps(const char *directory)
{
    struct checkpoint_list l;
    int64_t out = 0;
    if (checkpoint_list(directory, &l) < 0)
        return -1;
    for (size_t i = 0; i < l.count; i++)
        out = out * 100 + l.step[i];
    checkpoint_list_release(&l);
    return out;
}

static void
test_prune(struct made *f)
{
    int64_t removed = 0;
    for (int64_t step = 1; step <= 6; step++)
        save(f, "p", step, NULL);
    ok(checkpoint_prune("p", 0, 0) == 0, "keep all");
    is_int(steps("p"), 60504030201, "all are there");
    ok(checkpoint_prune("p", 2, 3) == 0, "keep 2, and every third");
    is_int(steps("p"), 60503, "those are left");
    unlink("p/step-00000005/manifest.json");
    ok(mkdir("p/step-00000009", 0777) == 0 && mkdir("p/other", 0777) == 0, "debris");
    ok(checkpoint_clean("p", &removed) == 0, "cleaned");
    is_int(removed, 2, "two removed");
    is_int(steps("p"), 603, "the complete ones stay");
    ok(file_is_dir("p/other") && !file_exists("p/step-00000005"), "and what is not ours");
    char *newest = checkpoint_find_newest("p");
    is_str(newest, "p/step-00000006", "the newest");
    free(newest);
    newest = checkpoint_find_newest("p/step-00000003");
    is_str(newest, "p/step-00000003", "a checkpoint itself");
    free(newest);
    ok(!checkpoint_find_newest("p/none") && err_status() == STATUS_FAILED, "no such directory");
    ok(!checkpoint_find_newest("p/other") && err_status() == STATUS_FAILED, "none in it");
}

static void
test_bad_place(struct made *f)
{
    file_store("plain", "x", 1);
    ok(save(f, "plain", 1, NULL) < 0 && err_status() == STATUS_FAILED,
       "a file in the way is an error");
    const struct tokenizer_file evil = {"../evil", "x", 1};
    f->save.files = &evil;
    f->save.file_count = 1;
    ok(save(f, "evil", 1, NULL) < 0 && !file_exists("evil/step-00000001") &&
           !file_exists("evil/evil"),
       "a name that leaves the directory is refused, and nothing is left");
    ok(!manifest_name_ok("a/b") && !manifest_name_ok(".x") && !manifest_name_ok("") &&
           manifest_name_ok("tokenizer.json"),
       "names of files");
}

/* Saves step after step until it is killed. Never returns. */
static void
save_for_ever(struct made *f, int64_t last)
{
    f->layout.limits = (struct slice_limits){0};
    for (int64_t step = last + 1;; step++)
        if (save(f, "killed", step, NULL) < 0 || checkpoint_prune("killed", 2, 0) < 0)
            _exit(1);
}

/*
 * kill -9 at any moment of saving and pruning: the newest complete checkpoint is whole, and never
 * older than the one that was there before.
 */
static void
test_kill(struct made *f)
{
    int64_t last = 0, wrong = 0, advanced = 0;
    double start = sys_seconds();
    save(f, "timed", 1, NULL);
    double one = sys_seconds() - start;
    for (int i = 0; i < 40; i++) {
        struct checkpoint *c = NULL;
        struct str seen = {0};
        pid_t child = fork();
        if (child == 0)
            save_for_ever(f, last);
        double wait = 0.1 * one * i; /* up to four saves */
        nanosleep(&(struct timespec){.tv_sec = (time_t)wait,
                                     .tv_nsec = (long)((wait - floor(wait)) * 1e9)},
                  NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        int found = checkpoint_resume(comm_single(), "killed", count_damaged, &seen, &c);
        int64_t step = found == 1 ? c->manifest.state.step : 0;
        wrong += found < 0 || seen.len > 0 || step < last;
        wrong += checkpoint_clean("killed", NULL) < 0;
        advanced += step > last;
        last = step;
        checkpoint_close(c);
        str_release(&seen);
    }
    is_int(wrong, 0, "killed 40 times while saving: what is complete is whole");
    ok(advanced > 0 && last > 0, "and some had saved something (%d)", (int)advanced);
}

int
main(void)
{
    struct made f;
    set_up(&f);
    test_round_trip(&f);
    test_deterministic(&f);
    test_manifest_damage();
    test_file_damage();
    test_resume(&f);
    test_prune(&f);
    test_bad_place(&f);
    set_up(&f);
    test_kill(&f);
    return done();
}
