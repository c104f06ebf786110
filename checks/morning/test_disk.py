"""A full disk stops the database first and trading next."""

from fixtures.disk import DiskUsage
from fixtures.target_file import Limits
from runbook.ids import runbook
from runbook.measured import Recorder
from runbook.verdict import CannotMeasure


@runbook(
    "morning.disk",
    likely="logs, old backups or unused images; or the database grew",
    look="df -h; du -xh --max-depth=2 on the mount | sort -h | tail",
    do="maintenance.disk",
)
def test_disk_has_headroom(
    disk_usage: dict[str, DiskUsage], limits: Limits, measured: Recorder
) -> None:
    """Writes keep working long enough for someone to react."""
    verdicts = [
        measured("read-only since an error", of=f"disk {disk.mount}") == "writable"
        for disk in disk_usage.values()
        if disk.went_read_only
    ]
    verdicts += [
        measured(disk.used_percent, "%", of=f"disk {disk.mount}") < limits.disk_used_max_percent
        for disk in disk_usage.values()
        if disk.used_percent is not None
    ]
    assert all(verdicts)
    _refuse_unmeasured(disk_usage, measured)


@runbook(
    "morning.disk",
    likely="very many small files: sessions, mail, caches or cut-off downloads",
    look="df -i; du --inodes -x --max-depth=2 on the mount | sort -n | tail",
    do="maintenance.disk",
)
def test_inodes_have_headroom(
    disk_usage: dict[str, DiskUsage], limits: Limits, measured: Recorder
) -> None:
    """Without inodes no file can be made, however many bytes are free."""
    verdicts = [
        measured(disk.inodes_used_percent, "%", of=f"inodes {disk.mount}")
        < limits.inodes_used_max_percent
        for disk in disk_usage.values()
        if disk.inodes_used_percent is not None
    ]
    assert all(verdicts)
    _refuse_unmeasured(disk_usage, measured)


def _refuse_unmeasured(disk_usage: dict[str, DiskUsage], measured: Recorder) -> None:
    for disk in disk_usage.values():
        if disk.skipped:
            measured.note(f"disk {disk.mount}: {disk.skipped}")
    errors = [f"disk {disk.mount}: {disk.error}" for disk in disk_usage.values() if disk.error]
    if errors:
        raise CannotMeasure("; ".join(errors))
    if not any(disk.used_percent is not None for disk in disk_usage.values()):
        raise CannotMeasure("no mount could be seen by this user")
