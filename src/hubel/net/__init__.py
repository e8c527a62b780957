"""A network is a value: write it, print it, compare it, measure it. Nothing here imports torch."""
