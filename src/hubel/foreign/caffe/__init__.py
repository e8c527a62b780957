"""Caffe's files as steps: the text of a network, its weights, and what each type of layer is."""
