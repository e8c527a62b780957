"""Engines: what runs a trained network on a processor, and which one is taken."""
