"""Load, training and API against a database of their own."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from runbook.waiting import NotYet, wait_until
from stack import train
from stack.load import create_tables, top_up
from stack.model import metrics_path, read_model
from tests.embedded_postgres import PASSWORD, embedded_postgres

ROOT = Path(__file__).parents[1]
NOW = datetime.now(UTC)


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A filled database; its URL."""
    with embedded_postgres(tmp_path_factory.mktemp("stack") / "server") as server:
        url = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{server.port}/postgres"
        with psycopg.connect(url) as conn:
            create_tables(conn)
            top_up(conn, NOW, history=timedelta(days=62))
        yield url


@pytest.fixture(scope="module")
def models(database: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A models folder after one training run."""
    folder = tmp_path_factory.mktemp("models")
    train.run(database, folder / "rf_m1.pkl", keep=True)
    return folder


def test_topping_up_in_steps_equals_loading_at_once(database: str) -> None:
    with psycopg.connect(database) as conn:
        assert top_up(conn, NOW) == 0
        digest = "select count(*), sum(hash_record_extended(t, 0)) from {} t"
        queries = [digest.format(name) for name in ("market_data", "trainset_m1")]
        whole = [conn.execute(q.encode()).fetchone() for q in queries]
        cut = datetime.now(UTC) - timedelta(days=8)
        conn.execute("delete from market_data where ts >= %s", [cut])
        conn.execute("delete from trainset_m1 where ts >= %s", [cut])
        for days in (7, 3, 2, 0):
            top_up(conn, NOW - timedelta(days=days, minutes=days * 7))
        assert [conn.execute(q.encode()).fetchone() for q in queries] == whole
        conn.rollback()


def test_training_writes_model_and_metrics_that_belong_together(models: Path) -> None:
    path = models / "rf_m1.pkl"
    metrics = json.loads(metrics_path(path).read_bytes())
    assert metrics["model_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (metrics["status"], metrics["version"]) == ("succeeded", "v1.0.0")
    assert metrics["training_window"]["end"] < metrics["test_window"]["start"]
    assert 0.55 < metrics["metrics"]["accuracy"] < 0.64
    assert metrics["metrics"]["precision"] > 0.6
    assert path.stat().st_size < 2_000_000
    assert (models / "backups" / "rf_m1_v1.0.0.pkl").read_bytes() == path.read_bytes()
    assert json.loads((models / "rf_m1_last_run.json").read_bytes())["status"] == "succeeded"
    model = read_model(path)
    assert (model.version, model.accuracy) == ("v1.0.0", metrics["metrics"]["accuracy"])
    assert not list(models.rglob("*.tmp"))


def test_five_versions_are_kept(models: Path, tmp_path: Path) -> None:
    model = read_model(models / "rf_m1.pkl")
    for _ in range(7):
        train.save(tmp_path / "rf_m1.pkl", model.forest, {}, keep=True)
    kept = sorted(path.name for path in (tmp_path / "backups").glob("*.pkl"))
    assert kept == [f"rf_m1_v1.0.{n}.pkl" for n in range(2, 7)]
    assert len(list((tmp_path / "backups").iterdir())) == 10


def test_a_failed_run_says_so_and_leaves_the_model(tmp_path: Path) -> None:
    path = tmp_path / "rf_m1.pkl"
    path.write_bytes(b"live")
    with pytest.raises(psycopg.OperationalError):
        train.run(f"postgresql://trader@127.0.0.1:{free_port()}/x", path, keep=True)
    course = json.loads((tmp_path / "rf_m1_last_run.json").read_bytes())
    assert course["status"] == "failed"
    assert "OperationalError" in course["error"]
    assert path.read_bytes() == b"live"


def test_no_training_row_is_near_the_tested_time() -> None:
    ts = np.datetime64("2026-01-01", "us") + np.arange(3000) * np.timedelta64(300, "s")
    learn, test = train.split(ts)
    assert ts[test[0]] - ts[learn[-1]] >= np.timedelta64(3600, "s")


def test_other_classes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rf_m1.pkl"
    path.write_bytes(pickle.dumps(Path("/")))
    with pytest.raises(pickle.UnpicklingError, match="not allowed"):
        read_model(path)


@pytest.fixture(scope="module")
def api(
    database: str, models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[http.client.HTTPConnection]:
    """A connection to a running API that has its model."""
    folder = tmp_path_factory.mktemp("api")
    env = os.environ | {
        "DATABASE_URL": database,
        "MODELS_DIR": str(models),
        "STATE_DIR": str(folder / "state"),
        "LOG_FILE": str(folder / "api.log"),
        # The bars were loaded when the tests began.
        "STALE_AFTER_MINUTES": "60",
    }
    with socket.create_server(("127.0.0.1", 0)) as sock:
        command = [sys.executable, "-m", "stack.serve", "--fd", str(sock.fileno())]
        process = subprocess.Popen(command, cwd=ROOT, env=env, pass_fds=[sock.fileno()])
        conn = http.client.HTTPConnection("127.0.0.1", sock.getsockname()[1], timeout=15)
    try:
        wait_until(
            lambda: get(conn, "/health")[0] == 200 or NotYet("not healthy"),
            "the API to be healthy",
            within_s=20,
        )
        yield conn
    finally:
        conn.close()
        process.terminate()
        assert process.wait(10) == 0
    for line in (folder / "api.log").read_text().splitlines():
        assert json.loads(line)["level"] == "INFO", line
        assert "error" not in line.lower()


def get(conn: http.client.HTTPConnection, path: str, method: str = "GET") -> tuple[int, Any, Any]:
    """Status, body and headers of an answer."""
    conn.request(method, path)
    response = conn.getresponse()
    text = response.read().decode()
    is_json = response.headers["content-type"] == "application/json"
    return response.status, json.loads(text) if is_json else text, response.headers


def test_health_names_every_part(api: http.client.HTTPConnection, models: Path) -> None:
    status, body, _ = get(api, "/health")
    assert (status, body["status"], body["restarts_24h"]) == (200, "ok", 0)
    assert {part["status"] for part in body["checks"].values()} == {"ok"}
    assert set(body["checks"]) == {"database", "model", "data"}
    assert body["model_hash"] == hashlib.sha256((models / "rf_m1.pkl").read_bytes()).hexdigest()


def test_a_prediction_comes_from_the_model_on_disk(
    api: http.client.HTTPConnection, models: Path
) -> None:
    status, body, headers = get(api, "/predict?symbol=USDJPY")
    assert status == 200
    assert 0 < body["probability"] < 1
    assert body["signal"] in {"buy", "sell", "hold"}
    assert body["model_hash"] == headers["x-model-hash"] == read_model(models / "rf_m1.pkl").sha256


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/predict", 400),
        ("/predict?symbol=", 400),
        ("/predict?symbol=eurusd", 400),
        ("/predict?symbol=" + "A" * 21, 400),
        ("/predict?symbol=EUR%27--", 400),
        ("/predict?symbol=XXXYYY", 404),
        ("/nowhere", 404),
        ("/reload", 405),
    ],
)
def test_a_refusal_is_json_and_says_who_refused(
    api: http.client.HTTPConnection, path: str, expected: int
) -> None:
    status, body, headers = get(api, path)
    assert status == expected
    assert body["error"]
    assert body["version"] == headers["x-version"]
    assert body["model_hash"] == headers["x-model-hash"]


def test_reload_and_metrics(api: http.client.HTTPConnection) -> None:
    assert get(api, "/reload", "POST")[1]["status"] == "reloaded"
    get(api, "/some/scanner/path")
    status, text, _ = get(api, "/metrics")
    assert status == 200
    assert 'requests_total{method="POST",route="/reload",status="200"} 1.0' in text
    assert 'route="unmatched"' in text
    assert "scanner" not in text
    assert "model_accuracy 0." in text
