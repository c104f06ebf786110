"""Subprocesses are bounded, and whatever they started ends with them."""

import contextlib
import os
import sys
from pathlib import Path

import pytest

from runbook import process
from runbook.verdict import CannotMeasure, TookTooLong
from runbook.waiting import NotYet, wait_until

# Starts a grandchild, tells its id, and waits with it for ever.
FAMILY = (
    "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c',"
    " 'import time; time.sleep(600)']); print(child.pid, flush=True); time.sleep(600)"
)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def is_gone(pid: int) -> bool | NotYet:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z" or NotYet(state)


def zombies() -> set[str]:
    """The ids of ended children that nobody has waited for."""
    stats = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            stats.append(path.read_text())
    rows = [(stat.split()[0], stat.rpartition(")")[2].split()) for stat in stats]
    return {pid for pid, fields in rows if fields[:2] == ["Z", str(os.getpid())]}


def test_what_a_command_wrote_and_how_it_ended():
    done = process.run(
        python("import sys; print('out'); print('err', file=sys.stderr); exit(3)"), within_s=30
    )
    assert (done.returncode, done.text, done.stderr) == (3, "out\n", b"err\n")
    with pytest.raises(CannotMeasure, match="ended with 3: err"):
        done.checked()


def test_a_deadline_ends_the_whole_family(tmp_path):
    told = tmp_path / "pid"
    # A shell is there at once, also on a busy machine.
    argv = ["sh", "-c", 'sleep 600 & echo $! > "$0"; wait', told]
    with pytest.raises(TookTooLong, match=r"sh did not end within 1\.5 s"):
        process.run(argv, within_s=1.5)
    wait_until(lambda: is_gone(int(told.read_text())), "the grandchild to end", within_s=20)


def test_no_zombie_is_left():
    before = zombies()
    process.run(["true"], within_s=30)
    with pytest.raises(TookTooLong):
        process.run(["sleep", "600"], within_s=0.2)
    with process.streaming(["sleep", "600"], within_s=60):
        pass
    assert zombies() <= before


def test_a_stream_ends_with_its_block():
    with process.streaming(python(FAMILY), within_s=60) as running:
        assert running.stdout is not None
        grandchild = int(running.stdout.readline())
    assert running.returncode is not None
    wait_until(lambda: is_gone(grandchild), "the grandchild to end", within_s=20)


def test_a_stream_that_is_late_says_so():
    argv = python("import time; print('first', flush=True); time.sleep(600)")

    def read() -> bytes:
        with process.streaming(argv, within_s=1.5) as running:
            assert running.stdout is not None
            return running.stdout.read()

    with pytest.raises(TookTooLong):
        read()


def test_input_as_bytes_and_as_a_file(tmp_path):
    echo = python("import sys; sys.stdout.write(sys.stdin.read().upper())")
    assert process.run(echo, within_s=30, stdin=b"bytes").text == "BYTES"
    (tmp_path / "in").write_text("file")
    with (tmp_path / "in").open("rb") as file:
        assert process.run(echo, within_s=30, stdin=file).text == "FILE"
    assert process.run(echo, within_s=30).text == ""


def test_a_missing_program_is_named():
    with pytest.raises(CannotMeasure, match="no-such-program can't be started"):
        process.run(["no-such-program"], within_s=5)


def test_the_environment_is_passed_on_but_for_one_name(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("OF_THE_PARENT", "kept")
    names = "'PYTHONDONTWRITEBYTECODE', 'OF_THE_PARENT', 'OF_THE_CALL'"
    code = f"import os; print([os.environ.get(n) for n in ({names})])"
    done = process.run(python(code), within_s=30, env={"OF_THE_CALL": "added"})
    assert done.text.strip() == "[None, 'kept', 'added']"


def test_start_and_stop(tmp_path):
    output = tmp_path / "log"
    started = process.start(
        python("print('up', flush=True); import time; time.sleep(600)"), output=output
    )
    wait_until(lambda: output.read_text() == "up\n" or NotYet("silent"), "its word", within_s=30)
    assert os.getpgid(started.pid) == started.pid
    process.stop(started, within_s=10)
    assert started.returncode == -15


def test_stop_kills_what_does_not_listen(tmp_path):
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    started = process.start(python(code), output=tmp_path / "log")
    wait_until(
        lambda: bool((tmp_path / "log").read_text()) or NotYet("silent"), "its word", within_s=30
    )
    process.stop(started, within_s=0.3)
    assert started.returncode == -9


def test_leaving_a_command_lets_it_run(tmp_path):
    started = process.start(python("import time; time.sleep(600)"), output=tmp_path / "log")
    process.leave(started)
    pid = started.pid
    try:
        assert is_gone(pid) is not True
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)


def test_what_a_command_leaves_behind_ends_with_it():
    script = "sleep 600 >/dev/null 2>&1 & echo $!"
    grandchild = int(process.run(["sh", "-c", script], within_s=30).text)
    wait_until(lambda: is_gone(grandchild), "the grandchild to end", within_s=20)


def test_much_goes_in_and_out_at_once():
    much = bytes(range(256)) * 4096
    done = process.run(["cat"], within_s=30, stdin=much)
    assert done.stdout == much
    assert "\ufffd" in done.text


def test_a_stream_of_a_missing_program_is_named():
    with (
        pytest.raises(CannotMeasure, match="no-such-program can't be started"),
        process.streaming(["no-such-program"], within_s=5),
    ):
        pass


def test_an_error_in_the_block_outlives_the_stream():
    with pytest.raises(ZeroDivisionError), process.streaming(["cat"], within_s=60) as running:
        raise ZeroDivisionError
    assert running.returncode is not None


def test_leaving_a_command_that_has_ended_keeps_its_status(tmp_path):
    started = process.start(["sh", "-c", "exit 3"], output=tmp_path / "log")
    started.wait(30)
    process.leave(started)
    assert started.returncode == 3


def test_stop_ends_the_children_that_do_not_listen(tmp_path):
    output = tmp_path / "log"
    # The shell ends when it is told to; its child does not.
    script = '(trap "" TERM; echo up; exec sleep 600) & echo $! > "$0"; wait'
    started = process.start(["sh", "-c", script, tmp_path / "pid"], output=output)
    wait_until(lambda: output.read_text() == "up\n" or NotYet("silent"), "its word", within_s=30)
    grandchild = int((tmp_path / "pid").read_text())
    process.stop(started, within_s=20)
    wait_until(lambda: is_gone(grandchild), "the grandchild to end", within_s=20)
