"""The built module, held against plain NumPy, PyTorch's own counts and what autograd keeps."""
