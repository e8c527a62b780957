"""What a network has learned to see: arrays in and arrays out. `hubel.report` draws them."""
