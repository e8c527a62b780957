"""Networks in the files of others, as steps with their weights: ONNX, Caffe, Keras. No PyTorch."""
