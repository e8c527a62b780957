"""The images a network gets wrong, as a list a spreadsheet opens."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from hubel.evaluation.metrics import Evaluation


def mistakes_csv(classes: Sequence[str], result: Evaluation, names: Sequence[str]) -> str:
    """The mistakes, the surest first: path, truth, prediction, its probability, and that of the truth.

    It begins with a byte-order mark, by which Excel knows UTF-8: names may be Korean.
    """
    out = io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["path", "truth", "prediction", "probability", "probability_of_truth"])
    for place in result.mistakes().tolist():
        truth, taken = int(result.labels[place]), int(result.predicted[place])
        chances = result.probabilities[place]
        writer.writerow(
            [names[place], classes[truth], classes[taken], f"{chances[taken]:.6f}", f"{chances[truth]:.6f}"]
        )
    return out.getvalue()
