"""What is not in the newest backup is lost with the disk."""

from fixtures.backups import Backups, Checksum
from fixtures.target_file import Limits
from fixtures.targets import Target
from runbook.ids import runbook
from runbook.measured import Recorder


@runbook(
    "morning.backups",
    likely="the backup timer is off, or pg_dump failed and nobody read its mail",
    look="ls -l of the backup folder; pg_restore -l of the newest dump says when it was made",
    do="backup.database",
)
def test_newest_backup_is_recent(
    target: Target, backups: Backups, limits: Limits, measured: Recorder
) -> None:
    """Trades made since the newest backup can't be brought back."""
    settings = target.backups
    assert settings is not None
    for name in backups.unfinished:
        measured.note(f"{name} is still being written")
    verdicts = [measured(d.fault, of=d.name) == "readable" for d in backups.unreadable]
    if (newest := backups.newest) is None:
        found = measured(backups.count - len(verdicts), "readable dumps", of=str(backups.folder))
        assert all([*verdicts, found > 0])
        return
    if newest.created_by != "its header":
        measured.note(f"{newest.name}: the time is from {newest.created_by}")
    age = float("nan") if backups.age_h is None else backups.age_h
    verdicts += [
        measured(age, "h", of=f"age of {newest.name}") < limits.backup_age_max_h,
        measured(backups.ahead_s, "s in the future", of=newest.name) <= limits.clock_skew_max_s,
    ]
    if settings.database and newest.database is None:
        measured.note(f"{newest.name} doesn't say which database it is of")
    elif settings.database:
        of = f"database in {newest.name}"
        verdicts.append(measured(newest.database, of=of) == settings.database)
    assert all(verdicts)


@runbook(
    "morning.backups",
    likely="pg_dump was cut off, the disk was full, or tables are gone from the database",
    look="pg_restore -l of the newest dump; df -h of the backup folder",
    do="backup.database",
)
def test_newest_backup_is_not_small(backups: Backups, limits: Limits, measured: Recorder) -> None:
    """A dump that shrank overnight lacks something, and it is noticed at the restore otherwise."""
    if backups.newest is None:
        assert measured(0, "readable dumps", of=str(backups.folder)) > 0
    assert backups.newest is not None
    verdicts = [measured(backups.newest.size_bytes, "bytes", of=backups.newest.name) > 0]
    if backups.previous is None:
        measured.note("there is no earlier dump to compare with")
    else:
        before = backups.previous.size_bytes
        shrunk = 100 * (before - backups.newest.size_bytes) / before if before else 0.0
        of = f"{backups.newest.name}, smaller than {backups.previous.name} by"
        verdicts.append(measured(max(0.0, shrunk), "%", of=of) < limits.backup_shrink_max_percent)
    assert all(verdicts)


@runbook(
    "morning.backups",
    likely="the dump was damaged after it was made, or its checksum was never written",
    look="sha256sum -c in the backup folder",
    do="backup.database",
)
def test_newest_backup_matches_its_checksum(
    backups: Backups, backup_checksum: Checksum | None, measured: Recorder
) -> None:
    """pg_restore loads most damaged dumps without a word; only the checksum knows."""
    if backup_checksum is None:
        assert measured(0, "readable dumps", of=str(backups.folder)) > 0
    assert backup_checksum is not None
    recorded = backup_checksum.recorded
    if recorded is None:
        assert measured("missing", of=f"checksum file of {backup_checksum.dump}") == "there"
    assert measured(backup_checksum.actual, of=f"sha256 of {backup_checksum.dump}") == recorded
