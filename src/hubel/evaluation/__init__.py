"""How well a model does, and on which images."""
