"""Augmentation: random variants of the training images, made batch by batch on any device.

Images are uint8, n x h x w x c, and are never changed in place. All random numbers are drawn on the CPU from
the given generator, so that a seed gives the same variants on every device.
"""
