"""The report of a check, as text and as JSON."""

from __future__ import annotations

import json

from hubel.data.check import Check, Finding, Spread
from hubel.report.data_check import check_json, check_text

NAMES = tuple(f"train/cat/{number}.jpg" for number in range(1234))


def checked(*findings: Finding, classes: int = 2) -> Check:
    counts = {"train": {f"class{number}": 1000 + number for number in range(classes)}}
    return Check("photos", counts, Spread(8, 9.5, 1300), Spread(10, 10.0, 10), findings)


def test_a_sound_set_in_text() -> None:
    assert check_text(checked()).splitlines() == [
        "photos: 2,001 images, 8 to 1300 pixels high (median 9.5), 10 pixels wide",
        "             train",
        "  class0     1,000",
        "  class1     1,001",
        "  in all     2,001",
        "",
        "0 errors; 0 warnings; 0 notices",
    ]


def test_many_classes_are_summed_up() -> None:
    text = check_text(checked(classes=100))
    assert "  train: 104,950 in 100 classes, from 1,000 (class0) to 1,099 (class99)\n" in text
    assert "class50" not in text


def test_findings_are_grouped_errors_first_and_long_lists_cut() -> None:
    text = check_text(
        checked(
            Finding("notice", "turned", "turned by EXIF", NAMES),
            *(Finding("error", "damaged", "is damaged", (name,)) for name in NAMES),
            Finding("error", "empty", "is empty", ("a.jpg",)),
            Finding("error", "missing", "val has no cat"),
        )
    )
    lines = text.splitlines()
    assert lines[-1] == "1,236 errors; 0 warnings; 1 notice"
    assert "  a.jpg: is empty" in lines
    assert "  val has no cat" in lines
    assert lines.index("  a.jpg: is empty") < lines.index("  train/cat/0.jpg: is damaged")
    assert "  train/cat/19.jpg: is damaged" in lines
    assert "  train/cat/20.jpg: is damaged" not in lines
    assert "  and 1,214 more; --json lists all" in lines
    assert lines[lines.index("  turned by EXIF (1,234 images)") + 1] == "    train/cat/0.jpg"
    assert "    and 1,229 more" in lines


def test_json_has_every_name() -> None:
    found = json.loads(check_json(checked(Finding("warning", "duplicate", "twice", NAMES))))
    assert (found["images"], found["errors"], found["warnings"], found["notices"]) == (2001, 0, 1, 0)
    assert found["counts"] == {"train": {"class0": 1000, "class1": 1001}}
    assert found["heights"] == {"least": 8, "median": 9.5, "most": 1300}
    assert found["findings"] == [
        {"level": "warning", "kind": "duplicate", "message": "twice", "names": list(NAMES)}
    ]


def test_a_name_that_is_no_unicode_can_be_printed() -> None:
    check = checked(Finding("error", "empty", "is empty", ("bad\udcff.jpg",)))
    assert "bad\\udcff.jpg: is empty" in check_text(check)
    check_json(check).encode("utf-8")


def test_columns_stay_straight_below_wide_letters() -> None:
    """A Korean letter takes two places on a terminal: 고양이 six, as many as `in all`."""
    counts = {"train": {"고양이": 60, "dog": 7}}
    lines = check_text(Check("photos", counts, None, None, ())).splitlines()
    assert lines[2:5] == [
        "  고양이        60",
        "  dog            7",
        "  in all        67",
    ]
