"""The prediction API: ``/health``, ``/metrics``, ``/predict`` and ``/reload``."""

from __future__ import annotations

import asyncio
import logging
import re
import signal
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, LiteralString

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.exceptions import HTTPException

from stack import logs
from stack.database import Database, DatabaseError
from stack.features import LOOKBACK, features
from stack.health import data_checks, model_check
from stack.live_model import LIVE
from stack.load import recent_bars
from stack.settings import read_settings
from stack.signals import signal as signal_of
from stack.starts import record_start, restarts
from stack.telemetry import ACCURACY, Telemetry

SYMBOL = re.compile(r"[A-Z0-9]{1,20}")
RECENT: LiteralString = (
    "select ts, open, high, low, close from market_data where symbol = %s order by ts desc limit %s"
)
RECORD: LiteralString = (
    "insert into predictions (made_at, symbol, bar_ts, probability, model_hash)"
    " select * from unnest(%s::timestamptz[], %s::text[], %s::timestamptz[], %s::real[],"
    " %s::text[])"
)
FORGET: LiteralString = "delete from predictions where made_at < now() - interval '7 days'"
RECORD_EVERY = 2.0

log = logging.getLogger(__name__)
settings = read_settings()
logs.configure(settings)
database = Database(settings.database_url, settings.database_timeout)
started_at = datetime.now(UTC)
# What isn't written yet; in a long outage of the database the oldest are given up.
made: deque[tuple[datetime, str, datetime, float, str]] = deque(maxlen=5000)


def identity() -> dict[str, Any]:
    """What every answer says about its origin."""
    model = LIVE.model
    return {
        "version": settings.version,
        "model": settings.model_name,
        "model_version": model.version if model else None,
        "model_hash": model.sha256 if model else None,
    }


def answer(status: int, body: dict[str, Any]) -> JSONResponse:
    """A JSON answer with its origin."""
    return JSONResponse({**body, **identity()}, status)


def reload_model() -> bool:
    """Load the model from disk again."""
    loaded = LIVE.load()
    _show_accuracy()
    return loaded


def _show_accuracy() -> None:
    if LIVE.model:
        ACCURACY.set(LIVE.model.accuracy)


async def _record_predictions() -> None:
    """Write the predictions made, in batches: an insert per request would double its time."""
    while True:
        await asyncio.sleep(RECORD_EVERY)
        batch = [made.popleft() for _ in range(len(made))]
        if not batch:
            continue
        try:
            await database.fetch(RECORD, [list(column) for column in zip(*batch, strict=True)])
            await database.fetch(FORGET)
        except DatabaseError as error:
            log.warning("predictions not recorded", extra={"detail": str(error)})


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Note the start, take SIGHUP for a reload, and let go of the database in the end."""
    record_start(settings.state_dir, started_at)
    log.info("api started", extra={"version": settings.version, "build": settings.build})
    loop = asyncio.get_running_loop()
    # Signals can be taken by the main thread only; elsewhere /reload is left.
    with suppress(RuntimeError, ValueError, NotImplementedError):
        loop.add_signal_handler(
            signal.SIGHUP, lambda: loop.run_in_executor(None, reload_model) and None
        )
    recorder = asyncio.create_task(_record_predictions())
    yield
    recorder.cancel()
    await database.close()
    log.info("api stopped")


app = FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)
app.add_middleware(Telemetry, identity=identity)


@app.exception_handler(HTTPException)
async def _refuse(_: Request, error: HTTPException) -> JSONResponse:
    return answer(error.status_code, {"error": str(error.detail)})


@app.get("/health")
async def health() -> Response:
    """200 when everything the API needs is in order, else 503."""
    now = datetime.now(UTC)
    checks = await data_checks(database, settings.symbols, settings.stale_after_minutes, now)
    checks["model"] = model_check(LIVE)
    bad = [name for name, check in checks.items() if check["status"] != "ok"]
    body = {
        "status": "degraded" if bad else "ok",
        "degraded": bad,
        "checks": checks,
        "build": settings.build,
        "started_at": started_at.isoformat(),
        "restarts_24h": restarts(settings.state_dir, now),
        "time": now.isoformat(),
    }
    return answer(503 if bad else 200, body)


@app.get("/metrics")
async def metrics() -> Response:
    """The process's metrics in Prometheus' text format."""
    _show_accuracy()
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@app.get("/predict")
async def predict(request: Request) -> Response:
    """How likely the symbol's next one-minute close is higher than its last."""
    symbol = request.query_params.get("symbol", "")
    if not SYMBOL.fullmatch(symbol):
        return answer(400, {"error": "symbol must be 1 to 20 of the characters A-Z and 0-9"})
    if symbol not in settings.symbols:
        return answer(404, {"error": f"unknown symbol {symbol}"})
    model = LIVE.model
    if model is None:
        return answer(503, {"error": f"no model: {LIVE.problem}"})
    try:
        rows = await database.fetch(RECENT, [symbol, LOOKBACK])
    except DatabaseError as error:
        return answer(503, {"error": f"database: {error}"})
    if len(rows) < LOOKBACK:
        return answer(503, {"error": f"{len(rows)} bars of {symbol}; {LOOKBACK} are needed"})
    row = features(recent_bars(rows))
    probability = await asyncio.to_thread(model.probability_up, row)
    bar_ts = rows[0][0]
    made.append((datetime.now(UTC), symbol, bar_ts, probability, model.sha256))
    body = {
        "symbol": symbol,
        "probability": round(probability, 6),
        "signal": signal_of(probability),
        "bar_ts": bar_ts.isoformat(),
    }
    # The model that answered, even when another took over meanwhile.
    origin = {"model_version": model.version, "model_hash": model.sha256}
    return JSONResponse({**identity(), **body, **origin})


@app.post("/reload")
async def reload() -> Response:
    """Take the model file on disk into use; the present model stays when that fails."""
    if await asyncio.to_thread(reload_model):
        return answer(200, {"status": "reloaded"})
    return answer(500, {"error": f"model not loaded: {LIVE.problem}"})
