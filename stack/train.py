"""Trains the random forest on the training set: ``python -m stack.train [--candidate]``.

The newest fifth of the time is held out for testing, with a gap before it so that no training
row's outcome lies in the tested time. Of the older rows at most ``MAX_TRAIN_ROWS``, drawn at
random, are used: more cost time and add nothing measurable.

Which models may trade is decided elsewhere; the trainer writes no approval.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import logging
import pickle
import platform
import re
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any, LiteralString

import numpy as np
import numpy.typing as npt
import psycopg

from stack import logs
from stack.features import FEATURE_NAMES
from stack.files import write_atomically
from stack.model import metrics_path
from stack.settings import read_settings
from stack.signals import BUY_FROM, SELL_UP_TO

Array = npt.NDArray[Any]
log = logging.getLogger("stack.train")

SEED = 20
MAX_TRAIN_ROWS = 20_000
MIN_ROWS = 2_000
TEST_SHARE = 0.2
EMBARGO = timedelta(hours=1)
TREES = 51
KEPT_VERSIONS = 5

READ_TRAINSET: LiteralString = (
    "copy (select ts, return_1, return_5, return_15, volatility_30, range_1, rsi_14, hour_sin,"
    " hour_cos, label from trainset_m1 where ts >= now() - interval '60 days'"
    " order by ts, symbol) to stdout (format binary)"
)
COPY_HEADER_SIZE = 19
COPY_TRAILER_SIZE = 2


@dataclass(frozen=True)
class TrainSet:
    """Rows ordered by time."""

    ts: Array
    features: Array
    label: Array


def read_trainset(conn: psycopg.Connection[Any]) -> TrainSet:
    """The last 60 days of the training table."""
    names = [("ts", ">i8"), *((name, ">f4") for name in FEATURE_NAMES), ("label", ">i2")]
    layout = [("fields", ">i2")]
    for name, kind in names:
        layout += [(f"{name}_size", ">i4"), (name, kind)]
    with conn.cursor().copy(READ_TRAINSET) as copy:
        data = b"".join(bytes(block) for block in copy)
    rows = np.frombuffer(data[COPY_HEADER_SIZE:-COPY_TRAILER_SIZE], dtype=np.dtype(layout))
    ts = np.datetime64("2000-01-01", "us") + rows["ts"].astype("i8").astype("timedelta64[us]")
    columns = [rows[name].astype("f4") for name in FEATURE_NAMES]
    return TrainSet(ts, np.stack(columns, axis=1), rows["label"].astype("i8"))


def split(ts: Array) -> tuple[Array, Array]:
    """Places of the rows to train on and to test on, the latter all later."""
    border = ts[0] + (ts[-1] - ts[0]) * (1 - TEST_SHARE)
    gap = np.timedelta64(int(EMBARGO.total_seconds()), "s")
    train, test = np.flatnonzero(ts < border - gap), np.flatnonzero(ts >= border)
    if len(train) > MAX_TRAIN_ROWS:
        random = np.random.default_rng(SEED)
        train = np.sort(random.choice(train, MAX_TRAIN_ROWS, replace=False))
    return train, test


def score(label: Array, probability_up: Array) -> dict[str, float | int]:
    """How good the probabilities were; a buy counts as positive, an actual rise as true."""
    buy, sell, rise = probability_up >= BUY_FROM, probability_up <= SELL_UP_TO, label == 1
    right = (probability_up > 0.5) == rise
    acted = buy | sell
    return {
        "accuracy": float(right.mean()),
        "precision": float(rise[buy].mean()) if buy.any() else 0.0,
        "recall": float(buy[rise].mean()) if rise.any() else 0.0,
        "signal_accuracy": float(right[acted].mean()) if acted.any() else 0.0,
        "signal_share": float(acted.mean()),
        "test_rows": len(label),
    }


def fit(rows: TrainSet) -> tuple[Any, dict[str, Any]]:
    """A forest and what there is to say about it."""
    if len(rows.ts) < MIN_ROWS:
        raise ValueError(f"{len(rows.ts)} training rows; at least {MIN_ROWS} are needed")
    # Imported here, where it is needed: it takes longer than everything else.
    ensemble = importlib.import_module("sklearn.ensemble")
    train, test = split(rows.ts)
    forest = ensemble.RandomForestClassifier(
        TREES, max_depth=6, min_samples_leaf=50, n_jobs=1, random_state=SEED
    )
    forest.fit(rows.features[train], rows.label[train])
    probability = forest.predict_proba(rows.features[test])[:, 1]
    report = {
        "training_window": _window(rows.ts[train]),
        "test_window": _window(rows.ts[test]),
        "rows": len(train),
        "rows_available": len(rows.ts),
        "classes": [int(c) for c in forest.classes_],
        "metrics": score(rows.label[test], probability),
    }
    return forest, report


def _window(ts: Array) -> dict[str, str]:
    return {"start": f"{ts[0].astype('M8[s]')}Z", "end": f"{ts[-1].astype('M8[s]')}Z"}


def next_version(backups: Path, stem: str) -> str:
    """The version after the highest that was kept."""
    kept = [v for v, _ in _kept_versions(backups, stem)]
    if not kept:
        return "v1.0.0"
    major, minor, patch = max(kept)
    return f"v{major}.{minor}.{patch + 1}"


def _kept_versions(backups: Path, stem: str) -> list[tuple[tuple[int, int, int], Path]]:
    pattern = re.compile(re.escape(stem) + r"_v(\d+)\.(\d+)\.(\d+)\.pkl")
    found = []
    for path in backups.glob(f"{stem}_v*.pkl"):
        if match := pattern.fullmatch(path.name):
            major, minor, patch = map(int, match.groups())
            found.append(((major, minor, patch), path))
    return sorted(found)


def save(path: Path, forest: Any, report: dict[str, Any], *, keep: bool) -> dict[str, Any]:
    """Write the model, then its metrics; with ``keep`` also under its version in backups/."""
    data = pickle.dumps(forest, protocol=5)
    backups = path.parent / "backups"
    version = next_version(backups, path.stem.removesuffix("_new"))
    metrics = {
        "model": path.name,
        "model_sha256": hashlib.sha256(data).hexdigest(),
        "version": version,
        "status": "succeeded",
        "trained_at": _now(),
        **report,
        "feature_names": list(FEATURE_NAMES),
        "library_versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scikit-learn": version_of("scikit-learn"),
        },
        "seed": SEED,
    }
    text = (json.dumps(metrics, indent=2) + "\n").encode()
    # The kept copy comes first: whatever is live can then be gone back to.
    places = [backups / f"{path.stem}_{version}.pkl"] if keep else []
    for place in [*places, path]:
        write_atomically(place, data)
        write_atomically(metrics_path(place), text)
    if keep:
        for _, old in _kept_versions(backups, path.stem)[:-KEPT_VERSIONS]:
            old.unlink()
            metrics_path(old).unlink(missing_ok=True)
    return metrics


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def run(database_url: str, path: Path, *, keep: bool) -> dict[str, Any]:
    """One training run, with its course noted in ``<model>_last_run.json``."""
    note = path.with_name(f"{path.stem}_last_run.json")
    course: dict[str, Any] = {
        "status": "running",
        "model": path.name,
        "started_at": _now(),
        "finished_at": None,
        "error": None,
    }

    def write(**changes: Any) -> None:
        course.update(changes)
        write_atomically(note, (json.dumps(course, indent=2) + "\n").encode())

    write()
    try:
        with psycopg.connect(database_url, connect_timeout=5, prepare_threshold=None) as conn:
            rows = read_trainset(conn)
        metrics = save(path, *fit(rows), keep=keep)
    except BaseException as error:
        write(status="failed", finished_at=_now(), error=f"{type(error).__name__}: {error}")
        raise
    write(status="succeeded", finished_at=_now(), model_sha256=metrics["model_sha256"])
    return metrics


def main() -> int:
    """Train the live model, or a candidate beside it."""
    parser = argparse.ArgumentParser(prog="python -m stack.train", description=__doc__)
    parser.add_argument("--candidate", action="store_true", help="write <model>_new.pkl only")
    candidate = parser.parse_args().candidate
    settings = read_settings()
    logs.configure(settings)
    path = settings.model_path
    if candidate:
        path = path.with_name(f"{path.stem}_new{path.suffix}")
    try:
        metrics = run(settings.database_url, path, keep=not candidate)
    except Exception:
        log.exception("training failed", extra={"model": path.name})
        return 1
    log.info("training succeeded", extra={"version": metrics["version"], **metrics["metrics"]})
    return 0


if __name__ == "__main__":
    sys.exit(main())
