"""What each fault turns: `turns.toml`, read and compared."""

import tomllib
from fnmatch import fnmatchcase
from pathlib import Path

from tests.proofs.world import SYMBOLS

TURNS = Path(__file__).with_name("turns.toml")
Turns = dict[str, tuple[str, str]]


def expected(fault: str) -> Turns:
    """Verdict and words for every check that the fault turns; `[*]` stands for all symbols."""
    table = tomllib.loads(TURNS.read_text("utf-8")).get(fault, {})
    turns: Turns = {}
    for check, (verdict, words) in table.items():
        names = [check.replace("[*]", f"[{s}]") for s in SYMBOLS] if "[*]" in check else [check]
        turns |= dict.fromkeys(names, (verdict, words))
    return turns


def differences(wanted: Turns, seen: Turns) -> list[str]:
    """What is not as it should be, a line each; none when the proof holds."""
    lines = [f"did not turn: {check}" for check in wanted.keys() - seen.keys()]
    for check, (verdict, reason) in seen.items():
        if check not in wanted:
            lines.append(f"turned too: {check} {verdict}: {reason}")
        elif verdict != wanted[check][0]:
            lines.append(f"{check} is {verdict}, not {wanted[check][0]}: {reason}")
        elif not fnmatchcase(reason, wanted[check][1]):
            lines.append(f"{check} says {reason!r}, not {wanted[check][1]!r}")
    return lines
