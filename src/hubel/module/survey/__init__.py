"""Any torch module as steps: one run on the meta device is watched, told in hubel's own layers.

`follow` runs and answers; `watch` records calls, `reading` knows which are hubel's layers, `geometry` what
the others see, `places` where values stand, `tally` what calls cost; `telling` makes steps of the records.
"""

from hubel.module.survey.follow import survey

__all__ = ["survey"]
