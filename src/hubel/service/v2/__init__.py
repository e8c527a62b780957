"""The open inference protocol, version 2, with its extension for binary tensors.

A model has one input, `images`: image files as BYTES, or pixels as UINT8 or FP32; and two outputs,
`probabilities` and `labels`. Source: https://github.com/kserve/open-inference-protocol.
"""
