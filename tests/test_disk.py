"""Which mounts count, how full they are, and that a hung or hidden one spoils only itself."""

import errno
import os
import threading
import time
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.morning import test_disk as checks
from fixtures import disk
from fixtures.disk import DiskUsage, Mount, measure_all, parsed
from fixtures.target_file import Limits
from fixtures.targets import Target
from runbook.measured import Recorder
from runbook.verdict import CannotMeasure, Unreadable

TABLE = b"""\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard
28 27 254:16 / /data\\040one rw,relatime shared:2 master:3 - xfs /dev/vdb rw
29 27 254:16 /pg /srv/pg rw - xfs /dev/vdb rw
30 27 7:1 / /snap/core ro,nodev - squashfs /dev/loop1 ro
31 27 254:32 / /broken rw - ext4 /dev/vdc ro
32 27 0:50 / /var/lib/docker/overlay2/x/merged rw - overlay overlay rw
33 27 0:51 / /run rw - tmpfs tmpfs rw
34 33 0:52 / /run rw - tmpfs tmpfs rw
35 27 0:53 / /net rw - autofs systemd-1 rw
36 27 254:48 / /cdrom rw - iso9660 /dev/sr0 ro
37 27 254:64 / /fixed ro - ext4 /dev/vdd ro
"""


def usage(used=50, available=50, files=100, files_free=90, blocks=None, files_available=None):
    return SimpleNamespace(
        f_blocks=used + available + 10 if blocks is None else blocks,
        f_bfree=available + 10,
        f_bavail=available,
        f_files=files,
        f_ffree=files_free,
        f_favail=files_free if files_available is None else files_available,
        f_frsize=4096,
    )


def test_only_real_writable_mounts_are_found():
    assert parsed(TABLE) == [
        Mount("/", "254:0", "ext4"),
        Mount("/data one", "254:16", "xfs"),
        Mount("/srv/pg", "254:16", "xfs"),
        Mount("/broken", "254:32", "ext4", went_read_only=True),
        Mount("/run", "0:52", "tmpfs"),
    ]


def test_a_container_has_its_overlay_root():
    table = b"1 0 0:50 / / rw - overlay overlay rw\n"
    assert [mount.mount for mount in parsed(table)] == ["/"]


@pytest.mark.parametrize("line", [b"x", b"1 2 3 / / rw - ext4 a rw", b"1 2 8:1 / / rw - ext4"])
def test_a_line_that_is_not_understood_is_an_error(line):
    with pytest.raises(Unreadable, match="line 1"):
        parsed(line)


@given(st.binary() | st.lists(st.sampled_from([*TABLE.split(b" "), b"-", b"\\777", b""])))
def test_no_table_escapes_the_parser(table):
    table = b" ".join(table) if isinstance(table, list) else table
    try:
        found = parsed(table)
    except CannotMeasure:
        return
    assert all(isinstance(mount, Mount) for mount in found)


def test_percent_is_of_what_ordinary_users_can_use():
    seen = measure_all([Mount("/", "8:1", "ext4")], {}, within_s=1, statvfs=lambda _: usage(30, 70))
    assert seen["/"].used_percent == 30
    assert seen["/"].inodes_used_percent == 10
    assert seen["/"].free_bytes == 70 * 4096


def test_a_file_system_with_nothing_left_for_users_is_full():
    seen = measure_all([Mount("/", "8:1", "ext4")], {}, within_s=1, statvfs=lambda _: usage(0, 0))
    assert seen["/"].used_percent == 100


def test_a_device_is_measured_once_by_its_shortest_path():
    mounts = [Mount("/srv/pg", "8:1", "xfs"), Mount("/data", "8:1", "xfs")]
    seen = measure_all(mounts, {}, within_s=1, statvfs=lambda _: usage(files=0))
    assert list(seen) == ["/data"]
    assert seen["/data"].inodes_used_percent is None


def test_ignored_and_empty_mounts_are_left_out():
    mounts = [Mount("/snap/a", "8:1", "x"), Mount("/a", "8:2", "x"), Mount("/none", "8:3", "x")]

    def statvfs(path):
        return usage(blocks=0) if path == "/none" else usage()

    seen = measure_all(mounts, {"/snap/*": "packages"}, within_s=1, statvfs=statvfs)
    assert list(seen) == ["/a"]


def test_a_hung_mount_spoils_only_itself():
    release = threading.Event()

    def statvfs(path):
        if path == "/hung":
            release.wait(20)
        return usage()

    began = time.monotonic()
    mounts = [Mount("/hung", "8:1", "nfs"), Mount("/", "8:2", "ext4")]
    seen = measure_all(mounts, {}, within_s=0.2, statvfs=statvfs)
    release.set()
    assert time.monotonic() - began < 5
    assert seen["/hung"].error == "no answer within 0.2 s"
    assert seen["/"].used_percent == 50


def test_a_mount_this_user_may_not_see_is_skipped():
    def statvfs(path):
        if path == "/other":
            return usage()
        raise OSError(errno.EACCES if path != "/dead" else errno.ENOTCONN, "no")

    mounts = [
        Mount("/mine", "8:1", "fuse"),
        Mount("/dead", "8:2", "nfs"),
        Mount("/a", "8:3", "x"),
        Mount("/other", "8:3", "x"),
    ]
    seen = measure_all(mounts, {}, within_s=1, statvfs=statvfs)
    assert seen["/mine"].skipped
    assert seen["/dead"].error == "no"
    assert seen["/other"].used_percent == 50


def test_this_host_is_measured_as_df_does():
    target = Target(name="t", disk={})
    seen = disk.disk_usage.measure(target)
    status = os.statvfs("/")
    used = status.f_blocks - status.f_bfree
    assert seen["/"].used_percent == pytest.approx(100 * used / (used + status.f_bavail), abs=2)


def test_nothing_found_is_broken():
    target = Target(name="t", disk={"ignore_mounts": {"*": "all"}})
    with pytest.raises(Unreadable, match="no mount"):
        disk.disk_usage.measure(target)


def judge(check, *seen):
    measured = Recorder()
    check({one.mount: one for one in seen}, Limits(), measured)
    return measured


def test_headroom_is_judged_on_every_mount_before_an_unmeasured_one_counts():
    full, hung = DiskUsage("/data", 91.0, 95.0), DiskUsage("/hung", error="no answer")
    fine = DiskUsage("/", 10.0, None)
    for check in (checks.test_disk_has_headroom, checks.test_inodes_have_headroom):
        with pytest.raises(AssertionError):
            judge(check, fine, hung, full)
        with pytest.raises(CannotMeasure, match="/hung: no answer"):
            judge(check, fine, hung)
    assert judge(checks.test_disk_has_headroom, fine).records[0].ok


def test_a_disk_that_went_read_only_is_red():
    with pytest.raises(AssertionError):
        judge(checks.test_disk_has_headroom, DiskUsage("/data", 10.0, went_read_only=True))


def test_inodes_of_file_systems_without_a_fixed_number_are_not_judged():
    seen = [DiskUsage("/", 10.0, None), DiskUsage("/data", 10.0, 5.0)]
    assert len(judge(checks.test_inodes_have_headroom, *seen).records) == 1
