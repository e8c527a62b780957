"""ONNX files as steps: the file, its constants, its operators, and the patterns that are one layer."""
