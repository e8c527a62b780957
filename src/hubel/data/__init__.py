"""Data sets: formats, splits, preprocessing, augmentation and batches."""
