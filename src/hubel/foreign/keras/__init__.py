"""Keras' files as steps: the model's configuration, its weights, and what each class of layer is."""
