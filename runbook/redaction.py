"""Removes secrets at the lowest writer of everything that the suite writes."""

import base64
import re
import urllib.parse
from collections.abc import Iterable
from typing import Any

import pytest

MASK = "[secret]"
# Shorter values would hit innocent text; a secret that short protects nothing anyway.
_SHORTEST = 4
_PATTERNS = (
    (re.compile(r"(?<=://)([^/\s:@]*):([^/\s@]+)@"), rf"\1:{MASK}@"),
    (re.compile(r"(?i)\b(authorization:\s*(?:bearer|basic)\s+)[^\s'\"]+"), rf"\1{MASK}"),
    (
        re.compile(
            r"(?i)\b((?:password|passwd|pwd|token|secret|api_?key)\s*[=:]\s*)(?!\[secret\])[^\s'\",;&]+"
        ),
        rf"\1{MASK}",
    ),
)


class Redactor:
    """Knows the secrets of this run; `clean` removes them, encoded forms included."""

    def __init__(self) -> None:
        self._needles: re.Pattern[str] | None = None
        self._values: set[str] = set()

    def add(self, values: Iterable[str]) -> None:
        """Learn more secrets."""
        self._values |= {value for value in values if len(value) >= _SHORTEST}
        forms = {form for value in self._values for form in encoded(value)}
        if forms:
            longest_first = sorted(forms, key=len, reverse=True)
            self._needles = re.compile("|".join(map(re.escape, longest_first)))

    def clean(self, text: str) -> str:
        """The text without any secret of this run, nor anything that looks like a credential."""
        if self._needles is not None:
            text = self._needles.sub(MASK, text)
        # Each pattern needs one of these signs, and most texts hold neither.
        if ":" in text or "=" in text:
            for pattern, replacement in _PATTERNS:
                text = pattern.sub(replacement, text)
        return text

    def cleaned(self, value: Any) -> Any:
        """The same structure with every string in it cleaned."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, dict):
            return {self.cleaned(key): self.cleaned(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.cleaned(inner) for inner in value)
        return value


REDACTOR = pytest.StashKey[Redactor]()


def encoded(value: str) -> set[str]:
    """The forms a secret travels in: as it is, URL-encoded, quoted, and base64 at any offset."""
    raw = value.encode()
    forms = {
        value,
        repr(value)[1:-1],
        urllib.parse.quote(value, safe=""),
        urllib.parse.quote_plus(value),
    }
    forms |= {urllib.parse.quote(value), value.replace("\\", "\\\\").replace('"', '\\"')}
    for offset in range(3):
        padded = b"\0" * offset + raw
        text = base64.b64encode(padded).decode().rstrip("=")
        # The first and last characters mix in the neighbours' bits.
        start = (0, 2, 3)[offset]
        whole = len(text) - (1 if len(padded) % 3 else 0)
        inner = text[start:whole]
        if len(inner) >= _SHORTEST:
            forms |= {inner, inner.replace("+", "-").replace("/", "_")}
    return forms
