"""The built module, compared with plain NumPy, PyTorch's own counts and what autograd saves."""
