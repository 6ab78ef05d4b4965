#include "cmd/llm-tokenize/run.h"

#include <inttypes.h>
#include <string.h>

#include "archive/input.h"
#include "base/die.h"
#include "base/progress.h"
#include "base/threads.h"
#include "cmd/llm-tokenize/feed.h"
#include "cmd/llm-tokenize/options.h"

/* The ordered pipeline: feed → convert and deliver → consume. */

enum { FAULTS_PRINTED = 5 };

struct run {
    const struct sink *sink;
    struct converter converter;
    struct feed *feed;
    struct account *total;
    uint64_t printed, unprinted; /* faults */
};

static void *
produce(void *arg, bool *failed)
{
    struct run *r = arg;

    return feed_next(r->feed, failed);
}

static int
work(void *arg, void *job, int worker)
{
    struct run *r = arg;

    return convert_job(&r->converter, worker, job);
}

static void
print_faults(struct run *r, const struct job *j)
{
    for (size_t i = 0; i < j->faults.len; i++) {
        if (r->printed < FAULTS_PRINTED || die_verbosity() >= 2) {
            note("%s", j->faults.data[i]);
            r->printed++;
        } else {
            r->unprinted++;
        }
    }
    r->unprinted += j->more_faults;
}

static int
consume(void *arg, void *job)
{
    struct run *r = arg;
    struct job *j = job;
    int result = r->sink->consume ? r->sink->consume(r->sink->arg, j) : 0;

    print_faults(r, j);
    account_add(r->total, &j->account);
    job_free(j);
    return result;
}

static void
discard(void *arg, void *job)
{
    (void)arg;
    job_free(job);
}

int
run_input(const struct sink *sink, struct account *total)
{
    struct run r = {.sink = sink, .total = total};
    struct threads_pipeline p = {
        .produce = produce, .work = work, .consume = consume, .discard = discard,
        .arg = &r, .threads = options.threads, .window = 2 * options.threads + 2,
    };

    r.feed = feed_open();
    if (!r.feed || converter_init(&r.converter, options.threads)) {
        feed_close(r.feed);
        return -1;
    }
    r.converter.chat = sink->chat;
    r.converter.deliver = sink->deliver;
    r.converter.arg = sink->arg;
    progress_start("tokenize", input_total(options.operands, options.operand_count),
                   PROGRESS_BYTES, common.progress_given ? common.progress : -1);
    int result = threads_pipeline_run(&p);
    progress_end();
    if (r.unprinted)
        note("%" PRIu64 " more faults like these (-v)", r.unprinted);
    converter_release(&r.converter);
    feed_close(r.feed);
    return result;
}

void
run_phase(const char *phase, uint64_t done, uint64_t all)
{
    static const char *shown;

    if (!shown || strcmp(phase, shown))
        progress_start(phase, all, PROGRESS_COUNT, common.progress_given ? common.progress : -1);
    shown = phase;
    progress_set(done);
}
