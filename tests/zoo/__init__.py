"""Tests of the zoo: every number of the papers, and a golden table per network."""
