"""Any torch module as steps: one run on the meta device is watched, told in hubel's own layers.

`follow` runs and answers; `calls` says where a run is, `watch` records its calls, `reading` knows which are
hubel's layers, `geometry` what the others see, `places` where values stand, `costs` what calls cost;
`steps` makes steps of the records, and `replay` finds them again when the module runs on images.
"""
