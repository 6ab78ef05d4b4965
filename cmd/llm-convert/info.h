#ifndef CMD_LLM_CONVERT_INFO_H
#define CMD_LLM_CONVERT_INFO_H

#include "json/write.h"
#include "model/config.h"
#include "model/params.h"
#include "tokenizer/tokenizer.h"

/* What the descriptions of several kinds of files share; info.c. */

/* Puts "model": {…}. */
void info_put_model(struct json_writer *w, const struct config *c, const struct params *p);

/* Puts the members of "tokenizer". */
void info_put_tokenizer(struct json_writer *w, const struct tokenizer *t);

/* The whole description of a GGUF file (gguf_info.c), of any model in a file. 0 or -1. */
int info_gguf(struct json_writer *w, const char *path);

#endif
