"""The sandbox as people meet it: real runs that end well, are killed, kept, or side by side."""

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen
from xml.etree import ElementTree

import pytest

from fixtures import sandbox
from fixtures import sandbox_processes as processes
from runbook import process
from runbook.waiting import NotYet, wait_until

PROJECT = Path(__file__).parent.parent
SEED = 7
# A run takes a few seconds; on a busy machine it may take a minute.
LONG_S = 150
pytestmark = pytest.mark.timeout(400)
# Of the sandbox itself: what the machine has to say, as of its disk, is not asked here.
ONE_CHECK = ("-m", "morning", "-k", "test_database_answers")


@dataclass
class Begun:
    """A run of the suite that is under way."""

    process: Popen[bytes]
    output: Path
    reports: Path
    before: set[Path]

    @property
    def screen(self) -> str:
        return self.output.read_text("utf-8", "replace")

    def ended(self) -> int:
        """Its exit status, once it has one."""

        def status() -> int | NotYet:
            code = self.process.poll()
            return NotYet(self.screen[-300:]) if code is None else code

        return wait_until(status, "the run to end", within_s=LONG_S)

    def green(self) -> "Begun":
        assert self.ended() == 0, self.screen
        assert "GREEN" in self.screen
        return self

    @property
    def records(self) -> dict[str, dict[str, object]]:
        text = (self.reports / "latest" / "records.json").read_text("utf-8")
        return json.loads(text)["checks"]


@dataclass
class Home:
    """A cache folder of its own, and what runs out of it."""

    cache: Path
    outputs: Path
    begun: list[Begun] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.cache / "mt5-runbook"

    @property
    def runs(self) -> list[Path]:
        """The folders of runs, alive or left behind."""
        return sorted((self.folder / "runs").glob("*/"))

    def begin(self, *words: str, cwd: Path = PROJECT, wrapper: tuple[str, ...] = ()) -> Begun:
        place = self.outputs / str(len(self.begun))
        place.mkdir(parents=True)
        argv = [
            *wrapper, sys.executable, "-m", "pytest", *words, "-p", "no:cacheprovider",
            "--target", "sandbox", "--reports", place / "reports",
        ]  # fmt: skip
        env = {"XDG_CACHE_HOME": str(self.cache), "COLUMNS": "100"}
        before = set(self.runs)
        started = process.start(argv, output=place / "screen", cwd=cwd, env=env)
        self.begun.append(Begun(started, place / "screen", place / "reports", before))
        return self.begun[-1]

    def run(self, *words: str, cwd: Path = PROJECT) -> Begun:
        begun = self.begin(*words, cwd=cwd)
        begun.ended()
        return begun

    def when(self, begun: Begun, name: str) -> Path:
        """The run's folder, as soon as it holds a file of that name."""

        def there() -> Path | NotYet:
            assert begun.process.poll() is None, begun.screen
            new = [run for run in self.runs if run not in begun.before and (run / name).exists()]
            return new[0] if new else NotYet(begun.screen[-300:])

        return wait_until(there, f"{name} of a run", within_s=LONG_S, every_s=0.002)

    def processes(self) -> dict[int, str]:
        """Every living process that has to do with this cache folder, by id."""
        found: dict[int, str] = {}
        here = os.fsencode(self.cache)
        for place in Path("/proc").glob("[0-9]*"):
            texts = []
            for read in (_content("cmdline"), _content("environ"), _working_folder):
                with contextlib.suppress(OSError):
                    texts.append(read(place))
            if any(here in text for text in texts):
                found[int(place.name)] = texts[0].replace(b"\0", b" ").decode("utf-8", "replace")
        return found

    def nothing_runs(self) -> None:
        """Wait until no process is left; killed ones take a moment."""
        wait_until(
            lambda: not (left := self.processes()) or NotYet(str(left)),
            "every process of the sandbox to be gone",
            within_s=20,
        )

    def clean(self) -> None:
        """End everything that a failed test may have left."""
        for begun in self.begun:
            if begun.process.poll() is None:
                process.stop(begun.process, within_s=10, first=signal.SIGINT)
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _content(name: str) -> Callable[[Path], bytes]:
    return lambda place: (place / name).read_bytes()


def _working_folder(place: Path) -> bytes:
    return os.fsencode((place / "cwd").readlink())


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A cache folder whose data is made once, after a first attempt was killed half-way."""
    base = tmp_path_factory.mktemp("sandbox with a space")
    home = Home(base / "cache folder", base / "outputs")
    try:
        cut = home.begin(*ONE_CHECK)

        def half_made() -> bool | NotYet:
            assert cut.process.poll() is None, cut.screen
            return bool([*home.folder.glob("data-*/backups/*.dump")]) or NotYet(cut.screen)

        wait_until(half_made, "the data to be half made", within_s=LONG_S)
        cut.process.kill()
        home.run(*ONE_CHECK).green()
        yield home
    finally:
        home.clean()
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def home(filled: Home) -> Iterator[Home]:
    """The filled cache folder; nothing of the last test runs in it any more."""
    filled.clean()
    yield filled
    filled.clean()


@pytest.fixture(scope="session")
def morning(filled: Home) -> Begun:
    """A whole morning, green, with nothing else going on."""
    return filled.run("-m", "morning").green()


def test_a_morning_is_green_and_leaves_nothing(filled, morning):
    lines = morning.screen.strip().splitlines()
    assert "EXAMPLE sandbox" in lines[0]
    assert "EXAMPLE sandbox" in lines[-1]
    assert filled.runs == []
    assert filled.processes() == {}


def test_a_killed_run_takes_its_processes_along(home):
    begun = home.begin("-m", "morning")
    root = home.when(begun, "sandbox.json")
    assert len(home.processes()) > 3
    begun.process.kill()
    assert begun.ended() == -signal.SIGKILL
    home.nothing_runs()
    assert root in home.runs
    home.run(*ONE_CHECK).green()
    assert home.runs == []


def test_a_run_killed_while_it_starts_leaves_nothing_either(home):
    for moment in ("lock", "pgdata/PG_VERSION", "db.pid", "api.pid", "trader.pid"):
        begun = home.begin(*ONE_CHECK)
        root = home.when(begun, moment)
        begun.process.kill()
        assert begun.ended() == -signal.SIGKILL, moment
        home.nothing_runs()
        assert home.runs == [root], "each start removes what the one before left"
    home.run(*ONE_CHECK).green()
    assert home.runs == []


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "sandbox.json"),
        (signal.SIGINT, "api.pid"),
        (signal.SIGTERM, "db.pid"),
        (signal.SIGHUP, "sandbox.json"),
    ],
)
def test_a_run_told_to_stop_ends_its_sandbox_first(home, number, moment):
    begun = home.begin("-m", "morning")
    home.when(begun, moment)
    # To the whole group, as a terminal does it.
    os.killpg(begun.process.pid, number)
    assert begun.ended() == pytest.ExitCode.INTERRUPTED, begun.screen
    assert home.runs == []
    assert home.processes() == {}
    assert "Traceback" not in begun.screen


def test_a_kept_one_is_reused_then_ended_by_those_who_do_not_keep_it(home):
    first = home.run(*ONE_CHECK, "--keep").green()
    [root] = home.runs
    places = json.loads((root / "sandbox.json").read_text("utf-8"))["places"]
    assert f"keeps running: {places['api_url']}, files in {root}" in first.screen
    alive = processes.pids(root)
    assert alive.keys() == {"db", "api", "trader"}

    began = time.monotonic()
    box = sandbox.start(home.folder, SEED, keep=True, tell=pytest.fail)
    took_s = time.monotonic() - began
    box.lock.close()
    assert box.places == places
    assert took_s < 1

    again = home.run("-m", "morning", "--keep").green()
    assert "starting" not in again.screen
    assert f"keeps running: {places['api_url']}" in again.screen
    assert home.runs == [root]
    assert processes.pids(root) == alive

    both = [home.begin(*ONE_CHECK) for _ in range(2)]
    for one in both:
        one.green()
        assert "keeps running" not in one.screen
    assert home.runs == []
    home.nothing_runs()


def test_a_kept_one_that_two_runs_use_stays_until_both_are_done(home):
    home.run(*ONE_CHECK, "--keep").green()
    [root] = home.runs
    alive = processes.pids(root)
    mine = sandbox.start(home.folder, SEED, keep=False, tell=pytest.fail)
    assert mine.folder.root == root
    other = home.run(*ONE_CHECK).green()
    assert "starting" not in other.screen
    assert processes.pids(root) == alive
    sandbox.end(mine)
    assert home.runs == []
    home.nothing_runs()


def test_a_kept_one_whose_processes_died_is_removed(home):
    home.run(*ONE_CHECK, "--keep").green()
    [root] = home.runs
    for pid in processes.pids(root).values():
        os.kill(pid, signal.SIGKILL)
    home.nothing_runs()
    ran = home.run(*ONE_CHECK).green()
    assert "starting" in ran.screen
    assert home.runs == []


def test_three_at_once_know_nothing_of_each_other(home):
    three = [home.begin("-m", "morning") for _ in range(3)]
    seen: dict[str, dict[str, str]] = {}

    def all_ended() -> bool | NotYet:
        for path in home.folder.glob("runs/*/sandbox.json"):
            with contextlib.suppress(OSError, ValueError):
                seen[path.parent.name] = json.loads(path.read_text("utf-8"))["places"]
        left = [one for one in three if one.process.poll() is None]
        return not left or NotYet(f"{len(left)} still running")

    wait_until(all_ended, "three runs to end", within_s=LONG_S, every_s=0.02)
    for one in three:
        one.green()
    for key in ("api_url", "database_port", "root"):
        assert len({places[key] for places in seen.values()}) == 3
    assert home.runs == []
    assert home.processes() == {}


def test_an_ordinary_user_can_run_it(home):
    wrapper: tuple[str, ...] = ()
    if os.geteuid() == 0:
        # Its own folders may be closed to other users; in a namespace they are this user's.
        wrapper = ("unshare", "--user", "--map-user=12345", "--map-group=12345")
    asked = [*wrapper, sys.executable, "-c", "import os; print(os.geteuid())"]
    assert process.run(asked, within_s=30).checked().text.strip() != "0"
    begun = home.begin("-m", "morning", wrapper=wrapper)
    root = home.when(begun, "db.pid")
    database = wait_until(
        lambda: processes.pids(root).get("db") or NotYet("no id"), "the database", within_s=10
    )
    namespaces = {Path(f"/proc/{pid}/ns/user").readlink() for pid in (begun.process.pid, database)}
    assert len(namespaces) == 1, "PostgreSQL runs as that user, without a namespace of its own"
    begun.green()
    assert home.runs == []
    assert home.processes() == {}


def test_a_checkout_may_have_spaces_in_its_path(home, tmp_path):
    copy = tmp_path / "a folder with spaces"
    listed = process.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        within_s=30,
    ).checked()
    for name in filter(None, listed.text.split("\0")):
        # A file may be listed that is deleted already, or vanish while others work here.
        with contextlib.suppress(FileNotFoundError):
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, copy / name)
    home.run("-m", "morning", cwd=copy).green()
    for module in ("fixtures/{}/sandbox", "stack/{}/trader", "checks/morning/{}/test_disk"):
        folder, _, name = module.format("__pycache__").rpartition("/")
        assert [*(copy / folder).glob(f"{name}.*.pyc")], f"{module} came from elsewhere"
    assert home.runs == []
    assert home.processes() == {}


def test_workers_share_one_sandbox(home, morning):
    ran = home.run("-m", "morning", "-n", "2").green()
    assert ran.screen.count("starting database") == 1
    assert ran.records.keys() == morning.records.keys()
    junit = ElementTree.parse(ran.reports / "latest" / "junit.xml")
    names = [f"{case.get('classname')} {case.get('name')}" for case in junit.iter("testcase")]
    assert len(names) == len(set(names)) == len(ran.records)
    assert home.runs == []
    assert home.processes() == {}


def test_a_mistyped_marker_starts_nothing(home):
    ran = home.run("-m", "mornign")
    assert ran.process.returncode == pytest.ExitCode.USAGE_ERROR
    assert ran.screen.strip().splitlines() == [
        "ERROR: Unknown marker(s) in '-m' expression: mornign. "
        "Use 'pytest --markers' to see available markers."
    ]
    assert home.runs == []
