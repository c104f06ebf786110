"""What was seen: compared once, recorded plainly."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum

import numpy as np
import pytest

from runbook.measured import Recorder
from runbook.verdict import JudgedNothing


@pytest.mark.parametrize(
    ("compare", "limit", "ok"),
    [
        (lambda v: v < 80, "< 80", True),
        (lambda v: v < 63, "< 63", False),
        (lambda v: v <= 63, "<= 63", True),
        (lambda v: v > 63, "> 63", False),
        (lambda v: v >= 63, ">= 63", True),
        (lambda v: v == 63, "= 63", True),
        (lambda v: v != 63, "not 63", False),
    ],
)
def test_a_comparison_is_recorded(compare, limit, ok):
    recorder = Recorder()
    assert compare(recorder(63, "%", of="disk /")) is ok
    [record] = recorder.records
    assert (record.limit, record.ok) == (limit, ok)
    assert str(record) == f"disk /: 63 %, limit {limit}"


@pytest.mark.parametrize(
    "compare",
    [
        lambda v: v < 1,
        lambda v: v > 1,
        lambda v: v == 1,
        lambda v: v != 1,
        lambda v: v >= float("nan"),
    ],
    ids=["lt", "gt", "eq", "ne", "nan"],
)
@pytest.mark.parametrize("value", [float("nan"), np.float64("nan")], ids=["python", "numpy"])
def test_nan_never_passes(value, compare):
    recorder = Recorder()
    assert compare(recorder(value, of="x")) is False
    assert recorder.missed


@pytest.mark.parametrize(
    ("value", "plain", "unit"),
    [
        (np.float32(1.5), 1.5, ""),
        (np.int64(3), 3, ""),
        (Decimal("2.5"), 2.5, ""),
        (timedelta(minutes=2), 120.0, "s"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00", ""),
        (True, True, ""),
        ("text", "text", ""),
        (None, "None", ""),
    ],
)
def test_values_are_made_plain(value, plain, unit):
    recorder = Recorder()
    recorder(value, of="x")
    [record] = recorder.records
    assert record.value == plain
    assert type(record.value) in (int, float, str, bool)
    assert record.unit == unit


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.0004, "0.0004"), (4.567, "4.57"), (63.0, "63"), (302.16, "302.2"), (12345, "12 345"), (True, "True")],
)  # fmt: skip
def test_numbers_as_people_read_them(value, shown):
    recorder = Recorder()
    recorder(value, of="x")
    assert recorder.records[0].seen == shown


def test_what_is_only_measured_is_refused():
    recorder = Recorder()
    with pytest.raises(JudgedNothing, match="measured nothing"):
        recorder.check_passed()
    value = recorder(1, of="disk /")
    with pytest.raises(JudgedNothing, match="disk /: measured but compared with nothing"):
        recorder.check_passed()
    with pytest.raises(JudgedNothing):
        bool(value)
    assert value < 2
    recorder.check_passed()


def test_a_pass_over_a_false_comparison_is_refused():
    recorder = Recorder()
    _ = recorder(1, of="x") > 2
    with pytest.raises(AssertionError, match="came out false"):
        recorder.check_passed()


def test_records_travel_as_plain_values():
    recorder = Recorder()
    _ = recorder(np.float64(1), "%", of="x") < 2
    assert list(recorder.plain()) == [
        {"subject": "x", "value": 1.0, "unit": "%", "limit": "< 2", "ok": True, "seen": "1 %"}
    ]


def test_notes_and_words():
    recorder = Recorder()
    value = recorder(63, "%", of="disk /")
    assert repr(value) == "disk /: 63 %"
    assert value < 80
    assert repr(value) == "disk /: 63 %, limit < 80"
    recorder.note("only /")
    assert recorder.notes == ["only /"]


class Word(StrEnum):
    DOWN = "down"


@pytest.mark.parametrize(
    "value", [np.float64(1.5), np.str_("text"), Word.DOWN], ids=["float64", "str_", "enum"]
)
def test_subclasses_are_made_plain_too(value):
    recorder = Recorder()
    recorder(value, of="x")
    assert recorder.records[0].value == value
    assert type(recorder.records[0].value) in (float, str)


@pytest.mark.parametrize("value", [np.float32("nan"), Decimal("NaN")], ids=["numpy", "decimal"])
@pytest.mark.parametrize("compare", [lambda v: v < 1, lambda v: v != 1], ids=["lt", "ne"])
def test_nan_of_other_libraries_never_passes(value, compare):
    assert compare(Recorder()(value, of="x")) is False


def test_a_limit_that_is_nan_never_passes():
    assert (Recorder()(3, of="x") != float("nan")) is False


def test_a_miss_is_not_rounded_onto_its_limit():
    recorder = Recorder()
    assert (recorder(0.5499, of="accuracy") >= 0.55) is False
    assert (recorder(0.004, of="rate") < 0.001) is False
    assert [str(record) for record in recorder.records] == [
        "accuracy: 0.5499, limit >= 0.55",
        "rate: 0.004, limit < 0.001",
    ]


def test_a_number_too_large_for_a_float_can_be_shown():
    recorder = Recorder()
    recorder(10**400, of="x")
    assert recorder.records[0].seen.startswith("10 000 ")
