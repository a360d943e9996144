/* publish - what follows when a checkpoint is in force.
 *
 *   accepted ─▶ its rows go to the output file ─▶ it is marked as published ─▶ retention
 *
 * A process that dies in between has lost nothing: the next one that starts from the checkpoint
 * cuts the file back to where its rows begin, and appends them. Belongs to the control thread. */
#ifndef FRESHET_ENGINE_PUBLISH_H
#define FRESHET_ENGINE_PUBLISH_H

struct engine;

/* The rows of the frozen checkpoint, whose offsets have been accepted. */
void publish_checkpoint(struct engine *engine);

/* The rows of that checkpoint of another process are among the next one's. */
void publish_adopt(struct engine *engine, const char *id);

/* Removes checkpoints that no committed offset names. Not knowing them, none is removed. */
void publish_retain(struct engine *engine);

#endif
