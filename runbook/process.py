"""The one place that starts subprocesses: bounded, each a process group, killed as a group."""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from runbook.verdict import CannotMeasure, TookTooLong

# Where it is set for this suite it would make every child compile its imports anew.
_UNWANTED = "PYTHONDONTWRITEBYTECODE"


@dataclass(frozen=True)
class Completed:
    """What a finished command left: its exit status and what it wrote."""

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Standard output as text; undecodable bytes become the replacement character."""
        return self.stdout.decode("utf-8", "replace")

    def checked(self) -> "Completed":
        """Itself when the command succeeded.

        Raises:
            CannotMeasure: the exit status was not 0; names the command and its last error line.
        """
        if self.returncode:
            lines = self.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"]
            raise CannotMeasure(f"{self.argv[0]} ended with {self.returncode}: {lines[-1]}")
        return self


def run(
    argv: Sequence[str | Path],
    *,
    within_s: float,
    stdin: bytes | IO[bytes] | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Completed:
    """Run a command to its end, in memory. `env` is added to the inherited environment.

    Raises:
        CannotMeasure: the program does not exist.
        TookTooLong: it was killed, with all its children, after `within_s` seconds.
    """
    given = stdin if isinstance(stdin, bytes) else None
    source = subprocess.PIPE if given is not None else stdin
    assert not isinstance(source, bytes)
    with _started(argv, stdin=source, cwd=cwd, env=env) as process:
        try:
            stdout, stderr = process.communicate(given, timeout=within_s)
        except subprocess.TimeoutExpired:
            raise TookTooLong(f"{argv[0]} did not end within {within_s:g} s") from None
    return Completed(tuple(map(str, argv)), process.returncode, stdout, stderr)


@contextlib.contextmanager
def streaming(
    argv: Sequence[str | Path],
    *,
    within_s: float,
    stdin: IO[bytes] | None = None,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A running command whose `stdout` the caller reads as it comes.

    Raises:
        CannotMeasure: the program does not exist.
        TookTooLong: when the block ends, if the group had to be killed after `within_s` seconds;
            until then a killed command's output simply ends.
    """
    late = threading.Event()
    with (
        tempfile.TemporaryFile() as stderr,
        _started(argv, stdin=stdin, cwd=cwd, env=env, stderr=stderr) as process,
    ):

        def expire() -> None:
            late.set()
            _kill_group(process)

        timer = threading.Timer(within_s, expire)
        timer.daemon = True
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()
        if late.is_set():
            raise TookTooLong(f"{argv[0]} did not end within {within_s:g} s")


def start(
    argv: Sequence[str | Path],
    *,
    output: Path,
    pass_fds: Sequence[int] = (),
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a long-running command that appends what it writes to `output`.

    The caller owns it and ends it with `stop`. Call from the main thread: where the command asks
    the kernel to be told of its parent's death, the parent is the thread that started it.
    """
    with output.open("ab") as file:
        return subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=_environment(env),
            pass_fds=pass_fds,
            process_group=0,
        )


def stop(process: subprocess.Popen[bytes], *, within_s: float, first: int = signal.SIGTERM) -> None:
    """Ask a command's group to end, and kill what is left of it after `within_s` seconds."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, first)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(within_s)
    # The command may have ended and left children that do not listen.
    _kill_group(process)
    process.wait(5)


def leave(process: subprocess.Popen[bytes]) -> None:
    """Let go of a command that is meant to outlive this run, or that somebody else ended."""
    # An object dropped while its command runs would warn; this one has no more say in it.
    if process.poll() is None:
        process.returncode = 0


@contextlib.contextmanager
def _started(
    argv: Sequence[str | Path],
    *,
    stdin: int | IO[bytes] | None,
    cwd: Path | None,
    env: Mapping[str, str] | None,
    stderr: int | IO[bytes] = subprocess.PIPE,
) -> Iterator[subprocess.Popen[bytes]]:
    try:
        process = subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL if stdin is None else stdin,
            stdout=subprocess.PIPE,
            stderr=stderr,
            cwd=cwd,
            env=_environment(env),
            process_group=0,
        )
    except OSError as error:
        raise CannotMeasure(f"{argv[0]} can't be started: {error.strerror}") from error
    try:
        yield process
    finally:
        _kill_group(process)
        process.wait(5)
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _environment(extra: Mapping[str, str] | None) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if name != _UNWANTED}
    return inherited | dict(extra or {})


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
