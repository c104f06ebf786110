"""What a check can say, and the exceptions that say it.

*failed* is an `AssertionError`: the system is wrong. *broken* is everything else, our own
`CannotMeasure` family above all: nothing is known about the system. *blocked* and *skipped* are
skips that carry their reason.
"""

from enum import StrEnum


class Verdict(StrEnum):
    """The five words of the checklist, worst first."""

    FAILED = "failed"
    BROKEN = "broken"
    BLOCKED = "blocked"
    SKIPPED = "skipped"
    PASSED = "passed"

    @property
    def is_red(self) -> bool:
        """Whether the run has to end with an error."""
        return self in (Verdict.FAILED, Verdict.BROKEN, Verdict.BLOCKED)


class CannotMeasure(Exception):
    """The check could not see what it has to judge; the message names the key, file or address."""


class Unreachable(CannotMeasure):
    """Nobody answered at the address: refused, unresolvable, cut off."""


class Unreadable(CannotMeasure):
    """Something answered, or a file is there, but it can't be understood."""


class TookTooLong(CannotMeasure):
    """The deadline passed first."""


class JudgedNothing(CannotMeasure):
    """A check measured without comparing, or passed although a comparison came out false."""


class NotPart(Exception):
    """The target does not offer what the check needs; the message says how to add it."""
