"""Configuration of every process of the stack, read from environment variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DEFAULT_SYMBOLS = ("EURUSD", "GBPUSD", "USDJPY", "AUDUSD", "USDCAD", "USDCHF")
VERSION_FILE = Path(__file__).with_name("VERSION")


@dataclass(frozen=True)
class Settings:
    """One process's view of its environment."""

    database_url: str
    models_dir: Path
    model_name: str
    version: str
    build: str
    state_dir: Path | None
    log_file: Path | None
    log_level: str
    symbols: tuple[str, ...]
    bars_seed: int
    stale_after_minutes: int
    database_timeout: float
    api_url: str
    requests_per_second: float
    feed_interval: float

    @property
    def model_path(self) -> Path:
        """The model file that is live."""
        return self.models_dir / self.model_name


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from the given mapping, by default the process's environment."""
    env = os.environ if environ is None else environ

    def path(name: str) -> Path | None:
        return Path(env[name]) if env.get(name) else None

    symbols = tuple(s.strip() for s in env.get("SYMBOLS", "").split(",") if s.strip())
    return Settings(
        database_url=env.get("DATABASE_URL", "postgresql://trader@localhost:5432/mt5_trading"),
        models_dir=Path(env.get("MODELS_DIR") or "/models"),
        model_name=env.get("MODEL_NAME") or "rf_m1.pkl",
        version=env.get("STACK_VERSION") or VERSION_FILE.read_text(encoding="utf-8").strip(),
        build=env.get("STACK_BUILD") or "dev",
        state_dir=path("STATE_DIR"),
        log_file=path("LOG_FILE"),
        log_level=(env.get("LOG_LEVEL") or "INFO").upper(),
        symbols=symbols or DEFAULT_SYMBOLS,
        bars_seed=int(env.get("BARS_SEED") or 7),
        stale_after_minutes=int(env.get("STALE_AFTER_MINUTES") or 10),
        database_timeout=float(env.get("DATABASE_TIMEOUT") or 1.5),
        api_url=(env.get("API_URL") or "http://127.0.0.1:8001").rstrip("/"),
        requests_per_second=float(env.get("REQUESTS_PER_SECOND") or 10),
        feed_interval=float(env.get("FEED_INTERVAL") or 3),
    )
