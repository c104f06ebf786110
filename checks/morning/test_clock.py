"""Bars, logs and backups are judged by their times; clocks that differ make all of that wrong."""

from runbook.each import each
from runbook.ids import runbook
from runbook.verdict import CannotMeasure


def _stands_on_the_source(target, source):
    return "ml" if source == "api" else "pgbouncer"


@runbook(
    "morning.clock",
    likely="time synchronisation stopped on one of the hosts",
    look="timedatectl status; chronyc tracking",
    do="maintenance.database",
    layer=_stands_on_the_source,
)
@each(source="clock.sources")
def test_clocks_agree(source, clock, limits, measured):
    """An API that is late by a minute trades on the bar before."""
    reading = clock[source]
    if reading.skew_s is None:
        raise CannotMeasure(f"clock of the {source}: {reading.why_not}")
    ahead = "ahead" if reading.skew_s > 0 else "behind"
    measured.note(f"clock of the {source}: {abs(reading.skew_s):.3f} s {ahead}")
    skew = measured(abs(reading.skew_s), "s", of=f"clock of the {source}")
    assert skew <= limits.clock_skew_max_s
