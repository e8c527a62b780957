"""What the instruments saw, drawn: arrays in, PNG bytes out."""
