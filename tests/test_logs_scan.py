"""Whole log files: windows, rotation, tracebacks, what can't be read, and bytes of no meaning."""

import bz2
import gzip
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures import log_files, log_scan
from fixtures.log_findings import Findings
from fixtures.log_times import LineClock
from runbook import process
from tests.test_logs_lines import FINDINGS, QUIET

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SINCE = NOW - timedelta(hours=24)
CLOCK = LineClock(UTC, NOW)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes one file of the log, last changed `changed_h` hours before NOW."""

    def write(text: str | bytes, name: str = "api.log", changed_h: float = 0) -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        changed = (NOW - timedelta(hours=changed_h)).timestamp()
        os.utime(path, (changed, changed))
        return path

    return write


def at(hours_ago: float) -> str:
    return f"{NOW - timedelta(hours=hours_ago):%Y-%m-%d %H:%M:%S}"


def scan(folder: Path, allow: list[str] | None = None, pattern: str = "api.log*") -> dict[str, Any]:
    end = time.monotonic() + 20
    return log_scan.scanned(str(folder / pattern), SINCE, CLOCK, allow or [], end)


TRACE = """\
Traceback (most recent call last):
  File "/app/trade.py", line 12, in order
    raise ValueError("error 7")
ValueError: no price for 'EURUSD'
"""
CHAINED = (
    TRACE
    + "\nDuring handling of the above exception, another exception occurred:\n\n"
    + TRACE.replace("ValueError: no price", "app.errors.Refused: no order")
)


def test_findings_are_grouped_with_count_times_and_an_example(write: Write, tmp_path: Path) -> None:
    write(f"{at(3)} ERROR order 1 refused\n{at(2)} INFO error\n{at(1)} ERROR order 22 refused\n")
    said = scan(tmp_path)
    assert said["count"] == 2
    assert said["quiet"] == {"quiet level": 1}
    (found,) = said["findings"]
    assert (found["signature"], found["level"], found["count"]) == ("order # refused", "ERROR", 2)
    assert found["first"] == (NOW - timedelta(hours=3)).isoformat()
    assert found["last"] == (NOW - timedelta(hours=1)).isoformat()
    assert found["example"] == f"{at(3)} ERROR order 1 refused"


@pytest.mark.parametrize("trace", [TRACE, CHAINED, CHAINED.replace("\n", "\r\n")])
@pytest.mark.parametrize("head", ["ERROR order failed", "INFO asking"])
def test_a_traceback_is_one_finding(write: Write, tmp_path: Path, head: str, trace: str) -> None:
    write(f"{at(3)} {head}\n{trace}{at(1)} INFO on\n")
    said = scan(tmp_path)
    assert said["count"] == 1
    assert said["findings"][0]["first"] == (NOW - timedelta(hours=3)).isoformat()
    assert "EURUSD" in said["findings"][0]["example"]


def test_tracebacks_of_one_cause_are_one_signature(write: Write, tmp_path: Path) -> None:
    write("".join(f"{at(h)} ERROR order {h} failed\n{TRACE}" for h in (3, 2, 1)))
    (found,) = scan(tmp_path)["findings"]
    assert found["signature"] == "order # failed: ValueError: no price for '…'"
    assert found["count"] == 3
    assert found["last"] == (NOW - timedelta(hours=1)).isoformat()


def test_the_same_head_with_and_without_traceback_is_told_apart(
    write: Write, tmp_path: Path
) -> None:
    failed = "ERROR order failed"
    write(f"{at(4)} {failed}\n{TRACE}{at(3)} {failed}\n{at(2)} {failed}\n{TRACE}{at(1)} {failed}\n")
    said = scan(tmp_path)
    assert sorted((f["level"], f["count"]) for f in said["findings"]) == [
        ("ERROR", 2),
        ("ERROR", 2),
    ]
    assert said["count"] == 4
    plain = next(f for f in said["findings"] if f["signature"] == "order failed")
    assert plain["first"] == (NOW - timedelta(hours=3)).isoformat()


def test_two_tracebacks_in_a_row_are_two(write: Write, tmp_path: Path) -> None:
    write(f"{at(3)} ERROR a failed\n{TRACE}{at(2)} ERROR b failed\n{TRACE}")
    assert [f["count"] for f in scan(tmp_path)["findings"]] == [1, 1]


@pytest.mark.parametrize(
    "block",
    [
        '  + Exception Group Traceback (most recent call last):\n  |   File "a", line 1\n'
        "  | ExceptionGroup: errors (1 sub-exception)\n  +-+---------------- 1 ----------------\n"
        "    | ValueError: error\n    +------------------------------------\n",
        TRACE + "DETAIL:  Key (error)=(1) exists.\n(Background on this error at: example.org)\n",
        'Traceback (most recent call last):\n  File "a", line 1, in <module>\nKeyboardInterrupt\n',
        "\tat com.example.Errors.run(Errors.java:1)\nCaused by: java.lang.Exception: x\n",
    ],
)
def test_forms_of_tracebacks(write: Write, tmp_path: Path, block: str) -> None:
    write(f"{at(3)} ERROR order failed\n{block}{at(1)} INFO error\n")
    assert scan(tmp_path)["count"] == 1


def test_a_traceback_whose_lines_have_prefixes_is_one(write: Write, tmp_path: Path) -> None:
    lines = TRACE.splitlines()
    write("".join(f"Nov 24 08:00:0{n} host app[12]: {line}\n" for n, line in enumerate(lines)))
    assert scan(tmp_path)["count"] == 1


def test_sql_beneath_its_statement_is_no_finding(write: Write, tmp_path: Path) -> None:
    write(
        f"{at(2)} UTC [1] ERROR:  no such column\n{at(2)} UTC [1] STATEMENT:  SELECT a\n"
        "\tFROM errors\n\tWHERE exception\n"
    )
    assert scan(tmp_path)["count"] == 1


def test_what_is_indented_belongs_to_its_record(write: Write, tmp_path: Path) -> None:
    write(f"{at(2)} INFO answer:\n  {{\n  code: 1\n  error: x\n  }}\nno level\n  error: y\n")
    said = scan(tmp_path)
    assert said["count"] == 1
    assert said["findings"][0]["signature"] == "error: y"
    assert said["quiet"].keys() == {"continuation"}


def test_only_the_window_counts(write: Write, tmp_path: Path) -> None:
    old = "".join(f"{at(24 + n / 3600)} ERROR old {n}\n" for n in range(20_000, 0, -1))
    write(old + TRACE + f"{at(23)} ERROR new\n{at(1)} INFO on\n")
    said = scan(tmp_path)
    assert [f["signature"] for f in said["findings"]] == ["new"]
    assert said["bytes"] < 100
    assert said["oldest"] < SINCE.isoformat()


def test_a_log_that_went_quiet_before_the_window_has_none(write: Write, tmp_path: Path) -> None:
    write(f"{at(30)} ERROR old\n{TRACE}")
    assert scan(tmp_path)["count"] == 0


@given(
    hours=st.lists(st.integers(0, 48 * 60), min_size=1, max_size=60).map(sorted),
    rows=st.integers(0, 40),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_halving_finds_the_first_line_of_the_window(
    write: Write, hours: list[int], rows: int
) -> None:
    filler = "  no time here\n" * rows * 100
    lines = [f"{at(minutes / 60)} INFO x\n{filler}" for minutes in reversed(hours)]
    path = write("".join(lines))
    older = [line for line, m in zip(lines, reversed(hours), strict=True) if m > 24 * 60]
    (log,), _ = log_files.opened(str(path), SINCE)
    with log.file:
        start = log_files.window_start(log, CLOCK, SINCE)
    whole = len("".join(lines))
    assert start == (len("".join(older)) if len(older) < len(lines) else whole)


def test_rotated_files_are_read_packed_ones_too(write: Write, tmp_path: Path) -> None:
    write(f"{at(1)} ERROR three\n")
    write(gzip.compress(f"{at(8)} ERROR two\n{TRACE}".encode()), "api.log.1.gz", 7)
    write(bz2.compress(f"{at(30)} ERROR zero\n{at(20)} ERROR one\n".encode()), "api.log.2.bz2", 19)
    write(f"{at(60)} ERROR old\n", "api.log.3", 50)
    said = scan(tmp_path)
    assert said["trouble"] is None
    names = {f["signature"].partition(":")[0] for f in said["findings"]}
    assert names == {"one", "two", "three"}
    assert said["oldest"] < SINCE.isoformat()


def test_a_packed_file_that_is_cut_off_is_trouble(write: Write, tmp_path: Path) -> None:
    noise = os.urandom(600_000).hex()
    packed = gzip.compress(f"{at(20)} ERROR one\n{noise}\n{at(19)} INFO x\n".encode())
    write(packed[: len(packed) - 2000], "api.log.1.gz", 18)
    said = scan(tmp_path)
    assert "api.log.1.gz can't be unpacked" in said["trouble"]
    assert said["count"] == 1


def test_a_file_without_times_counts_whole_and_says_so(write: Write, tmp_path: Path) -> None:
    write("INFO:     bars until 2026-11-20 08:00:00\nERROR:    boom\n" + TRACE)
    said = scan(tmp_path)
    assert said["count"] == 1
    assert any("no time in its lines" in note for note in said["notes"])
    write("ERROR:    boom\n", changed_h=30)
    assert scan(tmp_path)["count"] == 0


def test_a_wrong_time_zone_is_suspected(write: Write, tmp_path: Path) -> None:
    write(f"{at(2)} INFO x\n", changed_h=0)
    assert any("time_zone" in note for note in scan(tmp_path)["notes"])


def test_no_file_is_trouble(tmp_path: Path) -> None:
    assert "no file matches" in scan(tmp_path)["trouble"]
    (tmp_path / "api.log").mkdir()
    assert "no file matches" in scan(tmp_path)["trouble"]


def test_an_unreadable_file_is_trouble(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("x\n")

    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert scan(tmp_path)["trouble"] == f"{path} can't be read: Permission denied"


def test_a_pipe_or_a_dangling_link_holds_nothing_up(write: Write, tmp_path: Path) -> None:
    write(f"{at(1)} ERROR x\n")
    os.mkfifo(tmp_path / "api.log.pipe")
    (tmp_path / "api.log.d").mkdir()
    (tmp_path / "api.log.9").symlink_to(tmp_path / "gone")
    (tmp_path / "api.log.current").symlink_to(tmp_path / "api.log")
    said = scan(tmp_path)
    assert (said["trouble"], said["count"]) == (None, 1)


def test_time_over_is_trouble_and_nothing_hangs(write: Write, tmp_path: Path) -> None:
    write(f"{at(1)} ERROR x\n")
    said = log_scan.scanned(str(tmp_path / "api.log"), SINCE, CLOCK, [], time.monotonic() - 1)
    assert "no time left" in said["trouble"]


def test_allowed_lines_are_counted_apart(write: Write, tmp_path: Path) -> None:
    write(
        f"{at(3)} ERROR code 404 x\n{at(3)} ERROR code 500 x\n{at(2)} ERROR code 404 y\n"
        f"{at(1)} ERROR order failed\n{TRACE}"
    )
    said = scan(tmp_path, ["code 404", "no price for"])
    assert said["count"] == 1
    assert sum(a["count"] for a in said["allowed"]) == 3
    assert {a["allowed"] for a in said["allowed"]} == {0, 1}


def test_digits_that_decide_are_looked_at(write: Write, tmp_path: Path) -> None:
    counts = [0, 1, 10, 0, 20, 100, 0]
    write("".join(f"{at(1)} finished with {n} errors\n" for n in counts))
    said = scan(tmp_path)
    assert (said["count"], said["quiet"]) == (4, {"negated": 3})
    levels = [30, 50, 30, 60, 40]
    write("".join(f'{{"level":{n},"msg":"error {i}"}}\n' for i, n in enumerate(levels)))
    assert scan(tmp_path)["count"] == 2


def test_bytes_of_no_meaning_and_very_long_lines(write: Write, tmp_path: Path) -> None:
    ten_mb = b"a" * 10_000_000
    write(
        at(3).encode() + b" ERROR \xff\xfe\0\0 broken \x1b[31m\n"
        + ten_mb + b" error " + ten_mb + b"\n" + b"\0" * 100_000 + b"\n"
        + at(1).encode() + b" ERROR after\r\n" + b"error \0 no end"
    )  # fmt: skip
    said = scan(tmp_path)
    assert said["trouble"] is None
    assert said["count"] == 4
    assert all(len(f["example"]) <= 2000 for f in said["findings"])


def test_the_tail_is_short(write: Write, tmp_path: Path) -> None:
    write("".join(f"line {n} {'x' * 2000}\n" for n in range(1000)))
    lines = scan(tmp_path)["tail"].splitlines()
    assert len(lines) == 20
    assert lines[-1].startswith("line 999")
    assert all(len(line) <= 500 for line in lines)


def test_signatures_beyond_number_are_counted_still() -> None:
    findings = Findings()
    words = ("".join(chr(97 + (n // 26**k) % 26) for k in range(4)) for n in range(6000))
    findings.feed("\n".join(f"{n}:zq{word} error" for n, word in enumerate(words)).encode())
    groups = list(findings.groups())
    assert len(groups) <= 2001
    assert sum(group.count for group in groups) == 6000


@given(lines=st.lists(st.sampled_from([*FINDINGS.splitlines(), *QUIET.splitlines()]), max_size=60))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_grep_finds_is_a_finding_or_explained(
    write: Write, tmp_path: Path, lines: list[str]
) -> None:
    # A traceback takes lines that follow it; those have tests of their own.
    lines = [line for line in lines if not line.startswith("Traceback")]
    path = write("\n".join(lines) + "\n")
    plain = process.run(["grep", "-ciE", "error|critical|exception", path], within_s=5)
    said = scan(tmp_path)
    assert said["count"] == sum(line in FINDINGS.splitlines() for line in lines)
    assert said["count"] + sum(said["quiet"].values()) >= int(plain.stdout)
    assert said["quiet"].keys() <= {"quiet level", "negated", "no word"}


_PARTS = [
    b"\n",
    b"Traceback (most recent call last):\n",
    b"  x\n",
    b"2026-11-24 08:00:00 ERROR x\n",
    b"error: 0\n",
    b"ValueError: x\n",
]


@given(st.lists(st.binary(max_size=200) | st.sampled_from(_PARTS), max_size=50))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_break_the_scan(write: Write, tmp_path: Path, parts: list[bytes]) -> None:
    write(b"x" + b"".join(parts))  # so that it does not look like a packed file
    said = scan(tmp_path)
    assert said["trouble"] is None


@given(st.lists(st.integers(0, 200_000), max_size=6), st.integers(1, 5))
@settings(max_examples=40, deadline=None)
def test_lines_come_whole_or_cut(sizes: list[int], seed: int) -> None:
    lines = [bytes([97 + (n + seed) % 26]) * size for n, size in enumerate(sizes)]
    source, sink = os.pipe()

    def write() -> None:
        with os.fdopen(sink, "wb") as file:
            file.write(b"\n".join(lines))

    writer = threading.Thread(target=write)
    writer.start()
    seen = b"\n".join(log_scan.whole_lines(source)).split(b"\n")
    writer.join()
    os.close(source)
    cut = [line[: 1 << 16] for line in seen if line]
    assert cut == [line[: 1 << 16] for line in lines if line]
