"""One file for each verb: plain Python without printing. `import hubel` offers it, the commands call it."""
