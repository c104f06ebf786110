"""What the trainer's files say, and what each thing wrong with them turns red."""

import contextlib
import hashlib
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.morning import test_training as checks
from fixtures import training as noun
from fixtures.model_approval import approved_hashes, model_approval
from fixtures.model_load import KNOWN, PREDICTS, ModelLoad, model_load
from fixtures.services import ServiceState
from fixtures.target_file import Limits
from fixtures.targets import Target
from fixtures.training import model_file, moment, read, read_last_run
from runbook.measured import Recorder
from runbook.verdict import CannotMeasure, NotPart, Unreachable, Unreadable

# A Wednesday, the market open since Sunday 22:00 UTC.
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MODEL = b"a model"
SHA256 = hashlib.sha256(MODEL).hexdigest()
METRICS = {"model_sha256": SHA256, "status": "succeeded", "trained_at": "2026-11-24T12:00:00Z"}
RUN = {"status": "succeeded", "started_at": "2026-11-24T11:59:00Z", "error": None}
APPROVED = '[[approved]]\nsha256 = "{}"\nmodel = "rf_m1.pkl"\nby_role = "lead"\non = 2026-11-24\n'


class System:
    """A models folder, an approvals file and a target that names them."""

    def __init__(self, root):
        self.folder = root / "models"
        self.folder.mkdir()
        self.approvals = root / "approvals.toml"
        (self.folder / "rf_m1.pkl").write_bytes(MODEL)
        self.metrics(**METRICS)
        self.run(**RUN)
        self.approvals.write_text(APPROVED.format(SHA256))

    def metrics(self, **content):
        (self.folder / "rf_m1_metrics.json").write_text(json.dumps(content))

    def run(self, **content):
        (self.folder / "rf_m1_last_run.json").write_text(json.dumps(content))

    def target(self, *, sections=None, **keys):
        keys = {"folder": self.folder, "approvals": self.approvals, **keys}
        return Target(name="t", training=keys, **(sections or {}))

    def judge(self, name, **keys):
        """The notes of one check when it is green; its first miss when it is not."""
        target, measured = self.target(**keys), Recorder()
        seen, limits = read(target, NOW), Limits()
        arguments = {
            "test_model_belongs_to_its_metrics": (target, model_file.measure(target), seen),
            "test_last_training_succeeded": (target, seen, read_last_run(target, NOW), limits),
            "test_training_is_recent": (target, seen, limits),
        }[name]
        try:
            getattr(checks, name)(*arguments, measured)
            measured.check_passed()
        except AssertionError:
            return str(measured.missed[0])
        return measured.notes


@pytest.fixture
def system(tmp_path):
    return System(tmp_path)


BELONGS, SUCCEEDED, RECENT = (
    "test_model_belongs_to_its_metrics",
    "test_last_training_succeeded",
    "test_training_is_recent",
)


@pytest.mark.parametrize("check", [BELONGS, SUCCEEDED, RECENT])
def test_a_trained_model_is_green(system, check):
    assert system.judge(check) == []


def test_another_model_than_the_metrics_is_red(system):
    (system.folder / "rf_m1.pkl").write_bytes(b"other")
    assert SHA256 in system.judge(BELONGS)


@pytest.mark.parametrize("name", ["rf_m1.pkl", "rf_m1_metrics.json"])
def test_a_missing_file_is_red_and_named(system, name):
    (system.folder / name).unlink()
    assert name in system.judge(BELONGS)
    assert (name in system.judge(RECENT)) is (name != "rf_m1.pkl")


def test_metrics_without_the_keys_are_red(system):
    system.metrics(other=1)
    assert "missing" in system.judge(BELONGS)
    assert "nan" in system.judge(RECENT)
    assert system.judge(SUCCEEDED) == []


def test_without_a_hash_key_the_model_is_not_compared(system):
    with pytest.raises(NotPart, match="hash_key"):
        system.judge(BELONGS, hash_key="")


def test_a_failed_run_is_red_although_the_old_metrics_succeeded(system):
    system.run(**RUN | {"status": "failed", "error": "too few rows"})
    assert "failed" in system.judge(SUCCEEDED)


def test_a_run_that_has_begun_is_green_and_one_that_hangs_is_red(system):
    system.run(status="running", started_at="2026-11-25T11:00:00Z")
    assert system.judge(SUCCEEDED) == []
    system.run(status="running", started_at="2026-11-25T01:00:00Z")
    assert "11 h" in system.judge(SUCCEEDED)
    system.run(status="running")
    assert "nan" in system.judge(SUCCEEDED)


def test_a_missing_last_run_is_red_only_where_the_target_names_it(system):
    (system.folder / "rf_m1_last_run.json").unlink()
    assert "last_run" in system.judge(SUCCEEDED)[0]
    assert "missing" in system.judge(SUCCEEDED, last_run="rf_m1_last_run.json")
    system.metrics(model_sha256=SHA256)
    with pytest.raises(NotPart, match="status_key"):
        system.judge(SUCCEEDED)
    (system.folder / "rf_m1_metrics.json").unlink()
    assert "missing" in system.judge(SUCCEEDED)


def test_age_counts_open_hours(system):
    system.metrics(**METRICS | {"trained_at": "2026-11-20T12:00:00Z"})
    seen = read(system.target(), NOW)
    # Friday 12:00 to 22:00, then Sunday 22:00 to Wednesday 12:00.
    assert seen.age_open_h == pytest.approx(10 + 62)
    system.metrics(**METRICS | {"trained_at": "2026-11-17T12:00:00Z"})
    assert "open h" in system.judge(RECENT)


def test_a_time_in_the_future_is_red(system):
    system.metrics(**METRICS | {"trained_at": "2026-11-26T12:00:00Z"})
    assert "future" in system.judge(RECENT)


@pytest.mark.parametrize(
    ("value", "at"),
    [
        ("2026-11-24T12:00:00Z", NOW - timedelta(days=1)),
        ("2026-11-24T12:00:00", NOW - timedelta(days=1, hours=1)),
        ((NOW - timedelta(days=1)).timestamp(), NOW - timedelta(days=1)),
        (None, None),
    ],
)
def test_times_are_read_with_and_without_an_offset(value, at):
    assert moment({"at": value}, "at", Path("x.json"), ZoneInfo("Europe/Berlin")) == at


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        "null",
        '{"trained_at": true}',
        '{"trained_at": NaN}',
        '{"trained_at": 1e300}',
        '{"trained_at": "yesterday"}',
        '{"trained_at": "0001-01-01"}',
        '{"model_sha256": 5}',
        '{"status": {}}',
        "[" * 100_000,
    ],
)
def test_metrics_that_cannot_be_understood_are_broken(system, content):
    (system.folder / "rf_m1_metrics.json").write_text(content)
    with pytest.raises(Unreadable, match=r"rf_m1_metrics\.json"):
        read(system.target(), NOW)


@pytest.mark.parametrize("content", ["{", "[]", '{"status": 1}', "{}"])
def test_a_last_run_that_cannot_be_understood_is_broken(system, content):
    (system.folder / "rf_m1_last_run.json").write_text(content)
    with pytest.raises(Unreadable, match=r"rf_m1_last_run\.json"):
        read_last_run(system.target(), NOW)


@pytest.mark.parametrize("kind", ["loop", "pipe", "folder", "huge"])
def test_what_is_no_file_is_broken(system, kind):
    path = system.folder / "rf_m1_metrics.json"
    path.unlink()
    if kind == "loop":
        path.symlink_to(path)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(1 << 33)
    with pytest.raises(Unreadable, match=r"training\.metrics"):
        read(system.target(), NOW)


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["trained_at", "status", "model_sha256", "error", "started_at"]),
                inner,
            )
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_nothing_escapes_the_reader(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp()
    for name in ("rf_m1_metrics.json", "rf_m1_last_run.json"):
        (folder / name).write_bytes(content)
    for reader in (read, read_last_run):
        with contextlib.suppress(CannotMeasure):
            reader(Target(name="t", training={"folder": folder}), NOW)


# Approval.

SERVICES = {"api": {"url": "http://127.0.0.1:9/health"}}
API = {"url": "http://127.0.0.1:9"}


def approval(system, state=None, *, api=API, **keys):
    sections = {"services": SERVICES, "api": api} if state else {}
    target = system.target(sections=sections, **keys)
    services = {"api": state} if state else None
    return model_approval.measure(target, model_file.measure(target), services)


def red(seen):
    measured = Recorder()
    try:
        checks.test_served_model_is_approved(seen, measured)
    except AssertionError:
        return str(measured.missed[0])
    return None


def test_the_approved_model_is_green_wherever_it_is(system):
    state = ServiceState("api", answer={"model_hash": f"sha256:{SHA256.upper()}"})
    seen = approval(system, state)
    assert len(seen.found) == 2
    assert red(seen) is None


def test_a_served_model_that_was_not_approved_is_red(system):
    assert "api model_hash" in red(
        approval(system, ServiceState("api", answer={"model_hash": "0" * 64}))
    )
    assert "none is not" in red(approval(system, ServiceState("api", answer={"model_hash": None})))


def test_a_file_that_was_not_approved_is_red(system):
    (system.folder / "rf_m1.pkl").write_bytes(b"other")
    assert "file rf_m1.pkl" in red(approval(system))


@pytest.mark.parametrize("text", ["", APPROVED.format("0" * 64), None])
def test_without_the_approval_it_is_red(system, text):
    if text is None:
        system.approvals.unlink()
    else:
        system.approvals.write_text(text)
    assert "is not approved" in red(approval(system))


def test_an_api_that_gives_no_hash_narrows_unless_the_target_promised_it(system):
    state = ServiceState("api", answer={"status": "ok"})
    seen = approval(system, state)
    assert seen.unsaid == ("api gives no model_hash",)
    assert red(seen) is None
    assert "none" in red(approval(system, state, api=API | {"model_hash_key": "model_hash"}))


def test_an_api_that_does_not_answer_leaves_it_open(system):
    with pytest.raises(Unreachable, match="api does not say"):
        approval(system, ServiceState("api", down="connection refused"))


def test_without_approvals_the_check_is_not_part_of_the_target(system):
    with pytest.raises(NotPart, match=r"training\.approvals"):
        approval(system, approvals=None)


def test_approvals_where_the_trainer_writes_are_refused(system):
    with pytest.raises(Unreadable, match="where the trainer writes"):
        approval(system, approvals=system.folder / "approvals.toml")


def test_an_approval_counts_for_its_model_and_from_its_day(system):
    path, today = system.approvals, NOW.date()
    assert approved_hashes(path, "rf_m1.pkl", today) == {SHA256}
    assert approved_hashes(path, "other.pkl", today) == set()
    assert approved_hashes(path, "rf_m1.pkl", today - timedelta(days=7)) == set()


@pytest.mark.parametrize(
    "change",
    [
        ("[[approved]]", "[approved]"),
        ("[[approved]]", "[[approvd]]"),
        ("sha256", "sha"),
        ('by_role = "lead"', 'by_role = ""'),
        ("on = 2026-11-24", 'on = "today"'),
        (SHA256, SHA256[:-1]),
        ("=", ":"),
    ],
)
def test_approvals_that_cannot_be_understood_are_broken(system, change):
    system.approvals.write_text(APPROVED.format(SHA256).replace(*change))
    with pytest.raises(Unreadable, match=r"training\.approvals: .*approvals\.toml"):
        approved_hashes(system.approvals, "rf_m1.pkl", NOW.date())


PIECES = st.sampled_from(
    [*APPROVED.format(SHA256).splitlines(), "[approved]", "x = 1", "on = 1979-05-27T07:32:00Z", "["]
)


@given(st.binary(max_size=100) | st.lists(PIECES).map(lambda lines: "\n".join(lines).encode()))
def test_nothing_escapes_the_approvals_parser(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "approvals.toml"
    path.write_bytes(content)
    with contextlib.suppress(CannotMeasure):
        approved_hashes(path, "rf_m1.pkl", NOW.date())


# Loading.


def test_a_missing_model_is_red_and_a_replaced_one_is_broken(system):
    target = system.target()
    gone = noun.ModelFile(system.folder / "rf_m1.pkl", None)
    measured = Recorder()
    with pytest.raises(AssertionError):
        checks.test_model_loads_without_trust(model_load.measure(target, gone), measured)
    assert "missing" in str(measured.missed[0])
    with pytest.raises(Unreadable, match="changed"):
        model_load.measure(target, noun.ModelFile(gone.path, "0" * 64))


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (ModelLoad("m", "asks for posix.system"), "posix.system"),
        (ModelLoad("m", KNOWN, "ValueError: no"), "ValueError"),
        (ModelLoad("m", KNOWN, PREDICTS, "1.2.0", "1.9.1", offline=True), "1.2.0"),
    ],
)
def test_each_way_of_not_loading_is_red(load, said):
    measured = Recorder()
    with pytest.raises(AssertionError):
        checks.test_model_loads_without_trust(load, measured)
    assert said in str(measured.missed[0])
