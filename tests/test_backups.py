"""The newest dump by its own word, and what is wrong with it."""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.morning import test_backups as checks
from fixtures import backups
from fixtures.backups import checked, found, sums
from fixtures.embedded_postgres import program
from fixtures.target_file import Limits
from fixtures.targets import Target
from runbook import process
from runbook.measured import Recorder
from runbook.verdict import CannotMeasure, NotPart, Unreadable
from tests.embedded_postgres import PASSWORD, embedded_postgres
from tests.test_dump_header import header

NOW = datetime(2026, 11, 24, 6, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups"


@pytest.fixture
def system(folder):
    return Target(name="t", backups={"folder": folder, "database": "mt5_trading"})


def put(folder, hours_ago, size=10_000, *, name=None, database="mt5_trading", sidecar=True):
    """A dump whose header says that it was made so many hours ago."""
    at = NOW - timedelta(hours=hours_ago)
    fields = (at.second, at.minute, at.hour, at.day, at.month - 1, at.year - 1900, 0)
    path = folder / (name or f"mt5_trading_{at:%Y%m%d_%H%M%S}.dump")
    path.write_bytes(header(fields=fields, database=database).ljust(size, b"x"))
    if sidecar:
        seal(path)
    return path


def seal(path, name=None):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    beside = path.with_name(path.name + ".sha256")
    beside.write_text(f"{digest}  {name or path.name}\n")
    return beside


def judge(system, now=NOW):
    """The checks that are red, by the last word of their names, with what they saw."""
    seen = found(system, now)
    suffix = system.backups.checksum_suffix
    checksum = checked(seen.newest.path, suffix) if seen.newest else None
    red = {}
    for word, arguments in (
        ("recent", (system, seen, Limits())),
        ("small", (seen, Limits())),
        ("checksum", (seen, checksum)),
    ):
        measured = Recorder()
        name = next(n for n in vars(checks) if n.startswith("test_") and n.endswith(word))
        try:
            getattr(checks, name)(*arguments, measured)
            measured.check_passed()
        except AssertionError:
            red[word] = str(measured.missed[0])
    return red


def test_a_fresh_whole_dump_is_green(folder, system):
    put(folder, 26)
    put(folder, 2)
    assert judge(system) == {}


def test_age_comes_from_the_header_not_from_the_file(folder, system):
    path = put(folder, 30)
    os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    assert list(judge(system)) == ["recent"]


def test_newest_is_by_header_whatever_the_names_say(folder, system):
    old = put(folder, 50, name="mt5_trading_zzz.dump")
    new = put(folder, 1, name="mt5_trading_aaa.dump")
    seen = found(system, NOW)
    assert (seen.newest.path, seen.previous.path) == (new, old)
    assert seen.age_h == 1


def test_no_dump_is_red_everywhere(system):
    assert list(judge(system)) == ["recent", "small", "checksum"]


def test_a_dump_from_the_future_is_red(folder, system):
    put(folder, -5)
    assert "in the future" in judge(system)["recent"]


def test_another_database_is_red(folder, system):
    put(folder, 1, database="template1")
    assert "template1" in judge(system)["recent"]


def test_a_dump_that_shrank_is_red(folder, system):
    put(folder, 26, size=100_000)
    put(folder, 2, size=79_000)
    assert list(judge(system)) == ["small"]


@pytest.mark.parametrize("content", [b"", b"\0" * 500, b"PGDMP\1\x10"])
def test_a_newer_dump_that_cannot_be_read_is_red(folder, system, content):
    put(folder, 8)
    bad = folder / "mt5_trading_20261124_040000.dump"
    bad.write_bytes(content)
    seal(bad)
    assert bad.name in judge(system)["recent"]


def test_an_older_dump_that_cannot_be_read_says_nothing_about_the_newest(folder, system):
    put(folder, 2)
    seal_of = folder / "mt5_trading_20261101_040000.dump"
    seal_of.write_bytes(b"")
    seal(seal_of)
    assert judge(system) == {}


def test_one_changed_byte_is_red(folder, system):
    path = put(folder, 2)
    with path.open("r+b") as file:
        file.seek(5000)
        file.write(b"y")
    assert list(judge(system)) == ["checksum"]


def test_a_missing_checksum_is_red_once_the_dump_is_quiet(folder, system):
    put(folder, 30)
    path = put(folder, 2, sidecar=False)
    os.utime(path, (NOW.timestamp() - 10, NOW.timestamp() - 10))
    seen = found(system, NOW)
    assert seen.unfinished == (path.name,)
    assert seen.age_h == 30
    os.utime(path, (NOW.timestamp() - 1000, NOW.timestamp() - 1000))
    assert list(judge(system)) == ["checksum"]


@pytest.mark.parametrize("line", ["{h}", "{h} *{n}", "{H}  {n}", "{h}  /srv/backups/{n}\n"])
def test_checksum_files_of_all_usual_kinds_are_read(folder, line):
    path = put(folder, 2)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    beside = path.with_name(path.name + ".sha256")
    beside.write_text(line.format(h=digest, H=digest.upper(), n=path.name))
    assert checked(path, ".sha256").recorded == digest == checked(path, ".sha256").actual


@pytest.mark.parametrize("text", ["", "no hash", "abc  x.dump", "0" * 64 + "  other.dump"])
def test_a_checksum_file_that_is_none_is_broken(folder, text):
    path = put(folder, 2)
    path.with_name(path.name + ".sha256").write_text(text)
    with pytest.raises(Unreadable, match="sha256"):
        checked(path, ".sha256")


@given(st.binary(max_size=300))
def test_nothing_escapes_the_checksum_parser(data):
    try:
        sums(data, Path("x.sha256"))
    except CannotMeasure:
        return


def test_a_folder_is_a_dump_too(folder):
    system = Target(name="t", backups={"folder": folder, "pattern": "mt5_*"})
    dump = folder / "mt5_trading_dir"
    dump.mkdir()
    at = (0, 0, 4, 24, 10, 126, 0)
    (dump / "toc.dat").write_bytes(header(fields=at, form=5))
    (dump / "1.dat.gz").write_bytes(b"rows")
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {dump.name}/{path.name}\n"
        for path in dump.iterdir()
    ]
    (folder / "mt5_trading_dir.sha256").write_text("".join(lines))
    assert judge(system) == {}
    (dump / "1.dat.gz").write_bytes(b"")
    assert "1.dat.gz" in judge(system)["checksum"]
    (dump / "1.dat.gz").unlink()
    assert "1.dat.gz" in judge(system)["checksum"]


def test_a_plain_dump_without_a_time_takes_its_name_and_says_so(folder):
    system = Target(name="t", backups={"folder": folder, "pattern": "*.sql", "database": "x"})
    path = folder / "mt5_trading_20261124_040000.sql"
    path.write_bytes(b"--\n-- PostgreSQL database dump\n--\n")
    seal(path)
    measured = Recorder()
    checks.test_newest_backup_is_recent(system, found(system, NOW), Limits(), measured)
    assert any("its name" in note for note in measured.notes)
    assert any("which database" in note for note in measured.notes)


def test_a_missing_folder_is_broken(tmp_path):
    system = Target(name="t", backups={"folder": tmp_path / "none"})
    with pytest.raises(Unreadable, match=r"backups\.folder.*none"):
        found(system, NOW)


@pytest.mark.parametrize("kind", ["pipe", "loop"])
def test_what_is_no_file_is_broken_and_hangs_nothing(folder, system, kind):
    path = folder / "mt5_trading_x.dump"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(path)
    with pytest.raises(Unreadable, match=r"mt5_trading_x\.dump"):
        found(system, NOW)


def test_without_a_suffix_the_checksum_is_not_part_of_the_target(folder):
    system = Target(name="t", backups={"folder": folder, "checksum_suffix": ""})
    put(folder, 2)
    with pytest.raises(NotPart, match="checksum_suffix"):
        backups.backup_checksum.measure(system, found(system, NOW))


@pytest.mark.parametrize("form", ["custom", "directory", "tar", "plain"])
def test_what_pg_dump_writes_is_read(server, tmp_path, form):
    path = tmp_path / "dump"
    dump = [program("pg_dump"), "-v", f"-F{form}", "-f", path, "-d", "postgres"]
    where = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGUSER": "postgres"}
    began = datetime.now(UTC)
    secret = where | {"PGPASSWORD": PASSWORD, "TZ": "Asia/Tokyo"}
    process.run(dump, env=secret, within_s=20).checked()
    at = {"folder": tmp_path, "pattern": "dump", "time_zone": "Asia/Tokyo", "checksum_suffix": ""}
    newest = found(Target(name="t", backups=at), datetime.now(UTC)).newest
    assert abs((newest.created - began).total_seconds()) < 10
    assert newest.database == (None if form == "plain" else "postgres")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with embedded_postgres(tmp_path_factory.mktemp("postgres")) as server:
        yield server
