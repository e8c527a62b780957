"""Images in: sources, splits, the one path from an image file to the network, augmentation and batches."""
