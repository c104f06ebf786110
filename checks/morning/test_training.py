"""Orders follow the model's predictions: it has to be the one that was trained and approved."""

from fixtures.model_approval import ModelApproval
from fixtures.model_load import KNOWN, PREDICTS, ModelLoad
from fixtures.target_file import Limits
from fixtures.targets import Target
from fixtures.training import LastRun, ModelFile, Training
from runbook.ids import runbook
from runbook.measured import Recorder
from runbook.verdict import NotPart


@runbook(
    "morning.training",
    likely="the trainer was cut off, or one of the two files was copied without the other",
    look="sha256sum of the model, and the hash in its metrics",
    do="rollback.model",
)
def test_model_belongs_to_its_metrics(
    target: Target, model_file: ModelFile, training: Training, measured: Recorder
) -> None:
    """Accuracy and precision say nothing about a model that they were not measured on."""
    settings = target.training
    assert settings is not None
    key = settings.hash_key
    if not key:
        raise NotPart("training.hash_key is not part of this target: name the metrics' hash")
    files = {settings.model: model_file.sha256, settings.metrics: training.metrics_found}
    there = [
        measured("missing", of=f"file {name}") == "there"
        for name, found in files.items()
        if not found
    ]
    assert all(there)
    recorded = training.recorded_sha256 or "missing"
    of = f"{settings.metrics} {key}"
    assert measured(recorded.lower().removeprefix("sha256:"), of=of) == model_file.sha256


@runbook(
    "morning.training",
    likely="the trainer found too few rows, no database or no memory",
    look="the trainer's log and the last run's file beside the model",
    do="deploy.model.train",
)
def test_last_training_succeeded(
    target: Target,
    training: Training,
    last_training: LastRun | None,
    limits: Limits,
    measured: Recorder,
) -> None:
    """A trainer that fails unnoticed leaves an ageing model to trade a changed market."""
    settings = target.training
    assert settings is not None
    wanted = settings.succeeded_status
    verdicts = []
    if training.status is not None:
        verdicts.append(measured(training.status, of=f"status in {settings.metrics}") == wanted)
    if (run := last_training) is None:
        measured.note("no file says how the last run went: training.last_run names it")
    elif run.status == settings.running_status:
        # What it will come to is open; that it began long ago means that it hangs or was killed.
        hours = float("nan") if run.running_h is None else run.running_h
        of = "last training, running for"
        verdicts.append(measured(hours, "h", of=of) < limits.training_run_max_h)
    else:
        if run.error:
            measured.note(f"error of the last run: {run.error[:200]}")
        verdicts.append(measured(run.status, of=f"last training in {settings.last_run}") == wanted)
    if not verdicts and not training.metrics_found:
        verdicts.append(measured("missing", of=f"file {settings.metrics}") == "there")
    if not verdicts:
        raise NotPart("training.status_key and training.last_run are not part of this target")
    assert all(verdicts)


@runbook(
    "morning.training",
    likely="the training timer is off or its runs fail",
    look="systemctl list-timers; the trainer's log",
    do="deploy.model.train",
)
def test_training_is_recent(
    target: Target, training: Training, limits: Limits, measured: Recorder
) -> None:
    """The market moves on; a model knows only what it was trained on."""
    settings = target.training
    assert settings is not None
    if not training.metrics_found:
        assert measured("missing", of=f"file {settings.metrics}") == "there"
    age = float("nan") if training.age_open_h is None else training.age_open_h
    of = f"{settings.metrics} {settings.trained_at_key}"
    assert all(
        [
            measured(age, "open h", of=f"age by {of}") < limits.training_age_max_open_h,
            measured(training.ahead_s, "s in the future", of=of) <= limits.clock_skew_max_s,
        ]
    )


@runbook(
    "morning.training",
    likely="the file is damaged, was not written by the trainer, or by another scikit-learn",
    look="python -m pickletools on the model; the library versions in its metrics",
    do="rollback.model",
)
def test_model_loads_without_trust(model_load: ModelLoad, measured: Recorder) -> None:
    """A model that does not load stops the API's next start; a forged one runs what it likes."""
    load = model_load
    if load.content != KNOWN:
        assert measured(load.content, of=f"content of {load.name}") == KNOWN
    if not load.offline:
        measured.note("this host lets no process go without network, so the model had it")
    assert measured(load.outcome, of=f"{load.name} in a clean process") == PREDICTS
    wrote = load.written_with or "unknown"
    assert measured(wrote, of=f"scikit-learn that wrote {load.name}") == load.loaded_with


@runbook(
    "morning.training",
    likely="a model was copied into place, or a training run replaced it, without approval",
    look="the approvals file; model_hash in the API's health answer",
    do="rollback.model",
)
def test_served_model_is_approved(model_approval: ModelApproval, measured: Recorder) -> None:
    """Only a model that a person accepted may decide on orders."""
    for remark in model_approval.unsaid:
        measured.note(remark)
    known = dict.fromkeys(model_approval.approved, "approved")
    verdicts = [
        measured(known.get(digest or "", f"{(digest or 'none')[:12]} is not approved"), of=place)
        == "approved"
        for place, digest in model_approval.found.items()
    ]
    count = len(model_approval.approved)
    assert all([*verdicts, measured(count, "approved hashes", of="this model") > 0])
