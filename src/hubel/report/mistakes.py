"""The misclassified images as a table for a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from hubel.evaluation.metrics import Evaluation, mistakes_of


def mistakes_csv(classes: Sequence[str], result: Evaluation, names: Sequence[str]) -> str:
    """Returns CSV, the most confident mistake first: path, truth, prediction and both probabilities.

    It begins with a byte-order mark, by which Excel recognises UTF-8: names may be Korean.
    """
    out = io.StringIO()
    out.write("\ufeff")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["path", "truth", "prediction", "probability", "probability_of_truth"])
    for each in mistakes_of(result, classes, names):
        probabilities = f"{each.confidence:.6f}", f"{each.probability_of_truth:.6f}"
        writer.writerow([each.name, each.truth, each.prediction, *probabilities])
    return out.getvalue()
