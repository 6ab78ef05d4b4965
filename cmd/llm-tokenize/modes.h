#ifndef LLM_TOKENIZE_MODES_H
#define LLM_TOKENIZE_MODES_H

/* What llm-tokenize can do; each runs to its end and returns 0, or -1 with the error. */

int encode_to_shard(void);   /* the default */
int encode_to_ids(void);     /* --ids from text */
int count_text(void);        /* --count from text */
int train_tokenizer(void);   /* --train */
int extend_tokenizer(void);  /* --extend */
int export_tokenizer(void);  /* --export */

int shards_to_ids(void);     /* --ids from shards */
int count_shards(void);      /* --count from shards */
int decode_shards(void);     /* --decode from shards */
int decode_lines(void);      /* --decode from lines of ids */

#endif
