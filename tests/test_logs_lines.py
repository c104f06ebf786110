"""Lines as real programs write them: what each is, and why."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.log_lines import judge
from fixtures.log_signatures import signature

FINDINGS = """\
{"ts":"2026-11-24T08:00:00Z","level":"error","msg":"order 17 rejected"}
{"level":50,"time":1795507200000,"msg":"x"}
{"levelno":40,"msg":"x"}
{"level":3,"short_message":"x"}
{"time":"x","error":"boom","status":"ok"}
{"errors":3,"requests":12}
{"log":"ERROR:    Exception in ASGI application\\n","stream":"stderr"}
{"level":"warning","msg":"x","exc_info":"Traceback (most recent call last):\\nValueError: bad"}
{"message":"failed","severity":"CRITICAL"}
{"message":"failed with error, cut here
{"message":"cut here","level":"error","more":"
{"time":"x","level":"warning","msg":"Out of memory: Killed process 9 (python)"}
ts=2026-11-24T08:00:00Z level=error msg="order 17 rejected" err="no funds"
level=ERR msg=x
2026-11-24 08:00:00 [ERROR] boom
[2026-11-24 08:00:00 +0000] [12] [ERROR] Worker (pid:13) exited
2026/11/24 08:00:00 [error] 12#12: *1 open() failed
2026/11/24 08:00:00 [crit] 12#12: x
worker-3 [ERROR] x
ERROR:root:boom
CRITICAL:root:x
2026-11-24 08:00:00,123 - api.trade - ERROR - boom
2026-11-24 08:00:00,123 ERROR api boom
2026-11-24 08:00:00,123 ERROR info given
2026-11-24 08:00:00.123 | ERROR    | app:main:12 - boom
2026-11-24 08:00:00.123 UTC [12] ERROR:  relation "foo" does not exist at character 15
2026-11-24 08:00:00.123 UTC [12] FATAL:  password authentication failed for user "x"
2026-11-24 08:00:00.123 UTC [12] PANIC:  could not locate a valid checkpoint record
2026-11-24 08:00:00.123 UTC [12] mt5@trading ERROR:  deadlock detected
2026-11-24 08:00:00.123 UTC [12] LOG:  server process (PID 13) was terminated by signal 9: Killed
ERROR:    Exception in ASGI application
\x1b[31mERROR\x1b[0m:    boom
api-1  | ERROR:    boom
api-1  | 2026-11-24 08:00:00,123 ERROR api boom
ERROR 2026-11-24 08:00:00 boom
Nov 24 08:00:00 host app[12]: ERROR boom
Nov 24 08:00:00 host app[12]: error boom
Nov 24 08:00:00 host kernel: [123.4] python invoked oom-killer: gfp_mask=0x1
Nov 24 08:00:00 host kernel: Out of memory: Killed process 12 (python) total-vm:1kB
Killed
run.sh: line 3: 12 Killed                  python train.py
OOMKilled=true
finished with 10 errors
finished with 1 error, 0 critical errors
error_rate=0.5
error_rate=05
errors: 3
no response: error
error: no such file
error: None type has no attribute
error: 0 rows returned but expected 1
Could not load INFO section: error 7
2026-11-24 08:00:00 Could not parse: error
error: something bad [info]
psycopg.errors.UniqueViolation: dup key DETAIL: Key
panic: runtime error: index out of range
Fatal Python error: Segmentation fault
the Critical thing
Traceback (most recent call last):"""

QUIET = """\
{"ts":"2026-11-24T08:00:00Z","level":"info","msg":"error handler installed"}
{"level":30,"time":1795507200000,"msg":"error rate"}
{"levelno":30,"msg":"error x"}
{"level":6,"short_message":"error"}
{"time":"x","error":null,"status":"ok"}
{"errors":0,"requests":12}
{"log":"INFO:     error route\\n","stream":"stderr"}
{"level":"warning","msg":"worker terminated by signal 15"}
ts=2026-11-24T08:00:00Z level=info msg="set level=error done"
time="2026-11-24T08:00:00Z" level=warning msg="error budget"
2026-11-24 08:00:00 [INFO] error boom
[2026-11-24 08:00:00 +0000] [12] [INFO] error worker
2026-11-24T08:00:00Z [info     ] error seen   key=val
worker-3 [INFO] error x
INFO:uvicorn.error:Started
WARNING:root:error
2026-11-24 08:00:00,123 - uvicorn.error - INFO - Application startup complete.
uvicorn.error - INFO - Started
2026-11-24 08:00:00,123 INFO uvicorn.error boom
2026-11-24 08:00:00,123 uvicorn.error INFO boom
2026-11-24 08:00:00,123 | INFO     | app:main:12 - error
2026-11-24 08:00:00.123 UTC [12] LOG:  checkpoint complete: wrote 3 buffers; error 0
2026-11-24 08:00:00.123 UTC [12] STATEMENT:  SELECT error FROM t
2026-11-24 08:00:00.123 UTC [12] WARNING:  error
2026-11-24 08:00:00.123 UTC [12] mt5@trading LOG:  statement: select error
2026-11-24 08:00:00.123 UTC [12] LOG:  worker (PID 13) was terminated by signal 15: error
INFO:     127.0.0.1:9 - "GET /error HTTP/1.1" 200 OK
\x1b[32mINFO\x1b[0m:     127.0.0.1:9 - "GET /error HTTP/1.1" 200 OK
api-1  | INFO:     127.0.0.1:9 - "GET /error HTTP/1.1" 200 OK
Nov 24 08:00:00 host app[12]: INFO error boom
INFO 2026-11-24 08:00:00 error
2026-11-24 08:00:00 info error x
2026-11-24T08:00:00.123456+02:00 DEBUG error
24-Nov-2026 08:00:00.123 INFO [main] error x
Warning: error x
Killed 0 sessions, no error
OOMKilled=false
0 errors
finished with 0 errors and no exceptions
error_rate=0
error_rate=0.00 requests=5
errors: 0
errors: 0, warnings: 3
error: 0
no error
No errors found
completed without error
completed without any errors
"error": null, "x": 1
criteria matched
all fine"""


@pytest.mark.parametrize("line", FINDINGS.splitlines())
def test_a_line_that_tells_of_an_error_is_a_finding(line: str) -> None:
    assert judge(line.encode()).finding


@pytest.mark.parametrize("line", QUIET.splitlines())
def test_a_line_that_only_names_errors_is_none(line: str) -> None:
    assert not judge(line.encode()).finding


@pytest.mark.parametrize("line", FINDINGS.splitlines() + QUIET.splitlines())
def test_line_ends_and_bytes_of_no_meaning_change_nothing(line: str) -> None:
    plain = judge(line.encode())
    assert judge(line.encode() + b"\r\n") == plain
    assert judge(line.encode() + b"\0\0\r").finding == plain.finding


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("order 17 of 'EURUSD' took 12.5 ms", "order 1833 of 'GBPUSD' took 7 ms"),
        ('relation "a" does not exist', 'relation "b c" does not exist'),
        (
            "query 0f8fad5b-d9cb-469f-a165-70867728950e",
            "query 7c9e6679-7425-40de-944b-e07fc1f90ae7",
        ),
        ("at 0xdeadbeef from 127.0.0.1:80", "at 0x12 from 127.0.0.2:8080"),
        ("id=12345678", "id=abcdef01"),
        ("can't open 'a'", "can't open 'b'"),
    ],
)
def test_values_are_no_part_of_a_signature(one: str, other: str) -> None:
    assert signature(one) == signature(other)


def test_words_are_part_of_a_signature() -> None:
    assert signature("order rejected") != signature("order refused")


def test_the_message_is_found_behind_time_and_level() -> None:
    said = {
        judge(line).message
        for line in (
            b"2026-11-24 08:00:00,123 - ERROR - boom",
            b"2026-11-24 08:00:00 [ERROR] boom",
            b"ERROR:    boom",
            b"2026-11-24 08:00:00.123 UTC [12] ERROR:  boom",
            b'{"level":"error","msg":"boom"}',
            b'level=error msg="boom"',
        )
    }
    assert said == {"boom"}


_PIECES = st.sampled_from(
    [
        *FINDINGS.split(),
        *QUIET.split(),
        "{",
        "}",
        '"',
        "\\",
        "\x1b[",
        "\0",
        "[[",
        ":",
        "=",
        "|",
        "\t",
    ]
)


@given(st.lists(_PIECES, max_size=30).map(" ".join).map(str.encode) | st.binary(max_size=300))
def test_no_line_breaks_the_judge(line: bytes) -> None:
    judged = judge(line)
    assert len(signature(judged.message)) <= 160
    word = re.search(rb"(?i)error|critical|exception|fatal|panic", line.split(b"\n")[0])
    if word and judged.kind == "no word":
        assert b"\x1b" in line


@given(st.sampled_from(FINDINGS.splitlines()), st.integers(1, 20_000))
def test_a_long_line_is_judged_by_its_start(line: str, more: int) -> None:
    assert judge(line.encode() + b" x" * more).finding or line.startswith("{") or "Trace" in line
