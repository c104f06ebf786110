"""The header of pg_dump's archives: real ones, every version, and anything else."""

import contextlib
import gzip
import io
import struct
import tarfile
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fixtures.dump_header import NoHeader, parse, time_in_name

UTC_ZONE = ZoneInfo("UTC")
# 2026-11-24 04:00:00, as struct tm counts.
FIELDS = (0, 0, 4, 24, 10, 126, 0)


def integer(value):
    return bytes([value < 0]) + struct.pack("<I", abs(value))


def text(value):
    return integer(-1) if value is None else integer(len(value)) + value.encode()


def header(version=(1, 16), fields=FIELDS, database="mt5_trading", form=1, size=4):
    packed = b"\1" if version >= (1, 15) else integer(-1)
    parts = [b"PGDMP", bytes([*version, 0, size, 8, form]), packed, *map(integer, fields)]
    return b"".join([*parts, text(database), text("17.2"), text("18.4")])


@pytest.mark.parametrize("minor", range(10, 17))
def test_every_known_version_is_read(minor):
    found = parse(header((1, minor)), UTC_ZONE)
    assert found.created == datetime(2026, 11, 24, 4, tzinfo=UTC)
    assert (found.database, found.server_version, found.dump_version) == (
        "mt5_trading",
        "17.2",
        "18.4",
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"PGDMP", "cut off"),
        (header()[:40], "cut off"),
        (header((1, 17)), "1.17 is not understood"),
        (header((1, 9)), "1.9 is not understood"),
        (header(form=9), "format 9"),
        (header(size=40), "40 bytes"),
        (header(fields=(0, 0, 4, 31, 10, 126, 0)), "can't be"),
        (header(fields=(0, 0, 4, 1, 99, 126, 0)), "can't be"),
        (header(fields=(0, 0, 4, 1, 1, 2**31, 0)), "can't be"),
        (header(database="x" * 2000), "text of 2000 bytes"),
        (b"\x28\xb5\x2f\xfd...", "zstd"),
        (b"\x1f\x8b\x08garbage", "gzip is broken"),
        (b"hello", "not the beginning of a dump"),
    ],
)
def test_what_is_no_header_says_why(data, said):
    with pytest.raises(NoHeader, match=said):
        parse(data, UTC_ZONE)


def test_the_time_is_local_to_the_machine_that_dumped():
    assert parse(header(), ZoneInfo("Asia/Tokyo")).created == datetime(2026, 11, 23, 19, tzinfo=UTC)


@pytest.mark.parametrize(("summer", "hour"), [(1, 0), (0, 1), (-1, 0)])
def test_the_hour_that_comes_twice_is_told_apart(summer, hour):
    # 2026-10-25 02:30 in Berlin happened at 00:30 and at 01:30 UTC.
    found = parse(header(fields=(0, 30, 2, 25, 9, 126, summer)), ZoneInfo("Europe/Berlin"))
    assert found.created == datetime(2026, 10, 25, hour, 30, tzinfo=UTC)


def test_summer_time_in_a_zone_without_it_names_the_key():
    with pytest.raises(NoHeader, match="time_zone"):
        parse(header(fields=(0, 0, 4, 1, 6, 126, 1)), UTC_ZONE)


def test_a_gzipped_and_a_tar_archive_are_read():
    assert parse(gzip.compress(header())[:500], UTC_ZONE).database == "mt5_trading"
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        member = tarfile.TarInfo("toc.dat")
        member.size = len(header(form=3))
        tar.addfile(member, io.BytesIO(header(form=3)))
    assert parse(packed.getvalue(), UTC_ZONE).format == "tar"


def test_a_plain_dump_says_when_it_was_started_if_it_was_told_to():
    quiet = b"--\n-- PostgreSQL database dump\n--\n\n\\restrict x\n"
    assert parse(quiet, UTC_ZONE).created is None
    loud = quiet + b"-- Started on 2026-11-24 05:00:00 CET\n"
    berlin = ZoneInfo("Europe/Berlin")
    assert parse(loud, berlin).created == datetime(2026, 11, 24, 4, tzinfo=UTC)
    assert parse(loud.replace(b"CET", b"UTC"), berlin).created == datetime(
        2026, 11, 24, 5, tzinfo=UTC
    )
    with pytest.raises(NoHeader):
        parse(loud.replace(b"11-24", b"13-24"), berlin)


@pytest.mark.parametrize(
    "name", ["a_20261124_040000.dump", "20261124040000.sql", "x-20261124T040000.sql.gz"]
)
def test_a_dated_name_gives_a_time(name):
    assert time_in_name(name, UTC_ZONE) == datetime(2026, 11, 24, 4, tzinfo=UTC)


@pytest.mark.parametrize("name", ["monday.dump", "a_20261324_040000.dump", "123456789012345678"])
def test_other_names_give_none(name):
    assert time_in_name(name, UTC_ZONE) is None


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Europe/Dublin"])


@given(st.binary(max_size=200), ZONES, st.sampled_from([b"", b"PGDMP\1\x10\0\4\x08\1\1"]))
def test_nothing_escapes_the_parser(data, zone, start):
    for head in (start + data, gzip.compress(start + data)):
        with contextlib.suppress(NoHeader):
            parse(head, ZoneInfo(zone))


@given(st.lists(st.integers(-(2**31) + 1, 2**31 - 1), min_size=7, max_size=7), ZONES)
def test_no_time_escapes_the_parser(fields, zone):
    with contextlib.suppress(NoHeader):
        parse(header(fields=fields), ZoneInfo(zone))


@given(st.datetimes(), ZONES)
def test_any_time_of_the_calendar_is_read_or_refused(at, zone):
    fields = (at.second, at.minute, at.hour, at.day, at.month - 1, at.year - 1900, -1)
    try:
        found = parse(header(fields=fields), ZoneInfo(zone)).created
    except NoHeader:
        assert at.year in (1, 9999)
    else:
        assert found is not None
        assert found.tzinfo is UTC
