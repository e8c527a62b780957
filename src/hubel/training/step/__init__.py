"""What one step of training is made of: the loss, the optimizers, precision and memory."""
