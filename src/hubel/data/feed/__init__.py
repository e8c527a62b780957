"""From labelled images to batches, in memory or streamed."""
