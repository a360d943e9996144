/* file_lane - beginning and end of a lane, which are the writer's business. */
#ifndef FRESHET_SINK_FILE_LANE_H
#define FRESHET_SINK_FILE_LANE_H

#include "sink/file_sink.h"

void file_lane_init(struct file_lane *lane, const struct row_json *formats,
                    void (*wake)(void *context), void *wake_context);
void file_lane_done(struct file_lane *lane);

#endif
