"""Training: what a run is asked for, what a step is made of, the loop, and the run's folder."""
