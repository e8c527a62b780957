"""From a set of images to batches, in memory or streamed."""
