"""Any torch module as steps: one run on the meta device is recorded and expressed in hubel's layers.

`follow` runs the module and returns its ledger. `calls` knows which call of which submodule is running,
`watch` records the calls, `reading` reads them as hubel's layers, `geometry` finds the windows of all others,
`places` knows the volume and axes of each tensor, and `costs` counts what a call costs. `steps` turns the
records into steps, and `replay` finds these again when the module runs on images.
"""
