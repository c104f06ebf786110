"""One primitive to wait: ready, not yet, impossible."""

import pytest

from runbook.verdict import CannotMeasure, TookTooLong
from runbook.waiting import Impossible, NotYet, wait_until


def test_it_returns_what_it_waited_for():
    answers = iter([NotYet("starting"), NotYet("loading"), "ready"])
    assert wait_until(lambda: next(answers), "the thing", within_s=5, every_s=0) == "ready"


def test_a_false_answer_is_an_answer():
    assert wait_until(lambda: 0, "a number", within_s=1) == 0
    assert wait_until(lambda: None, "nothing", within_s=1) is None


def test_a_timeout_says_what_how_long_and_the_last_status():
    with pytest.raises(TookTooLong, match=r"waited 0\.1 s for the API; last seen: status 503"):
        wait_until(lambda: NotYet("status 503"), "the API", within_s=0.1, every_s=0.02)


def test_the_impossible_is_not_waited_for():
    def never() -> NotYet:
        raise Impossible("the process ended with 1")

    with pytest.raises(CannotMeasure, match="ended with 1"):
        wait_until(never, "the API", within_s=600)


def test_it_is_asked_at_least_once():
    assert wait_until(lambda: "there", "it", within_s=0) == "there"
