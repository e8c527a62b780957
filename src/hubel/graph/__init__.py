"""A trained network without a framework: its steps and weights, folded, and as an ONNX graph. No PyTorch."""
