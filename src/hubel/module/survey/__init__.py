"""Any torch module as steps: one run on the meta device is watched, told in hubel's own layers.

`follow` runs and answers; `calls` says where a run is, `watch` records its calls, `reading` knows which are
hubel's layers, `geometry` what the others see, `places` where values stand, `tally` what calls cost;
`telling` makes steps of the records, and `replay` finds them again when the module runs on pictures.
"""

from hubel.module.survey.follow import Surveyed, survey, surveyed
from hubel.module.survey.replay import replaying

__all__ = ["Surveyed", "replaying", "survey", "surveyed"]
