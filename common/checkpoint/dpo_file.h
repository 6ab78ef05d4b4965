#ifndef CHECKPOINT_DPO_FILE_H
#define CHECKPOINT_DPO_FILE_H

/*
 * reference.json of llm-checkpoint(5): what the model that llm-train --dpo started from makes of every text of
 * the pairs. cmd/llm-train/dpo.h makes and reads it.
 */
#define DPO_FILE "reference.json"

#endif
