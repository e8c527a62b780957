"""A run: its data and network made ready, its folder on disk, and what goes wrong in it."""
