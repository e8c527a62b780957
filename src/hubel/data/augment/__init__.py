"""Augmentation: random variants of the training images, made a batch at a time on any device.

Images are uint8, n x h x w x c, and none is changed in place. Every random number is drawn on the CPU from
the generator given, so that one seed means one sequence of variants on every device.
"""
