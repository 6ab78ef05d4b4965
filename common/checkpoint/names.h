#ifndef CHECKPOINT_NAMES_H
#define CHECKPOINT_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "model/config.h"
#include "model/params.h"

/*
 * How the tensors of a family are named and laid out in a Hugging Face directory, as
 * data: one table a family maps each of our tensors (model/params.h) to one or more of theirs.
 * Ours is their tensors' rows one below the other (query, key, value; gate, up); GPT-2's
 * matrices are stored [in][out], the transpose of ours, and GPT-NeoX's queries, keys and values
 * stand together head by head.
 */
enum { NAME_PARTS = 3 };

struct name_part {
    char name[96];       /* theirs */
    int64_t first, rows; /* rows of our tensor */
    int64_t columns;     /* of our tensor */
    bool transposed;     /* theirs is [columns][rows], else [rows][columns] */
    bool vector; /* theirs has one dimension, [rows]; columns is 1 and rows count our elements */
    /*
     * 0, or theirs is of so many heads, each head's queries, keys and values one behind the other:
     * [heads][3][head_dim] rows; ours is [3][heads][head_dim].
     */
    int64_t heads;
};

/* The parts of one tensor of ours, in row order; returns how many (>= 1). */
int names_parts(const struct config *c, const struct param *p, struct name_part out[NAME_PARTS]);

/*
 * The same of a tensor of adapters (struct lora) of table p in a directory of Hugging Face's PEFT:
 * base_model.model.<module>.lora_A.weight [rank][in], lora_B.weight [out][rank].
 */
int names_adapter_parts(const struct config *c, const struct params *p, int adapter,
                        struct name_part out[NAME_PARTS]);

/*
 * Where elements [first, first + n) of a part that is not transposed, counted in our order, begin in
 * theirs; returns how many of them (1 to n) stand together there.
 */
int64_t names_run(const struct name_part *part, int64_t first, int64_t n, int64_t *theirs);

/*
 * May a tensor of this name stand in a directory without belonging to the model's weights?
 * Buffers that older versions saved, and the copy of a tied head.
 */
bool names_ignored(const struct config *c, const char *name);

/* A prefix that some directories leave out ("transformer."), or "". */
const char *names_optional_prefix(const struct config *c);

#endif
