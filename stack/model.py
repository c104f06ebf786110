"""Reads a model file and keeps the live model of a process.

The bytes are read once, and both the hash and the model come from those very bytes. Only the
classes a random forest is made of may be unpickled.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import logging
import pickle
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

log = logging.getLogger(__name__)

ALLOWED_GLOBALS = frozenset(
    {
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy._core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "scalar"),
        ("numpy._core.numeric", "_frombuffer"),
        ("sklearn.ensemble._forest", "RandomForestClassifier"),
        ("sklearn.tree._classes", "DecisionTreeClassifier"),
        ("sklearn.tree._tree", "Tree"),
    }
)


class ForestUnpickler(pickle.Unpickler):
    """Refuses every global that is not on the list."""

    def find_class(self, module: str, name: str) -> Any:
        """The named class, when a random forest may hold it."""
        if (module, name) not in ALLOWED_GLOBALS:
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed in a model")
        return getattr(importlib.import_module(module), name)


@dataclass(frozen=True)
class Model:
    """A model as loaded, with what its trainer recorded about it."""

    name: str
    sha256: str
    forest: Any
    metrics: dict[str, Any] = field(default_factory=dict)

    @property
    def version(self) -> str | None:
        """The version its metrics give it, when they are about this very file."""
        version = self.metrics.get("version")
        return str(version) if version else None

    @property
    def accuracy(self) -> float:
        """The accuracy its metrics give it; not a number when there is none."""
        return float(self.metrics.get("metrics", {}).get("accuracy", "nan"))

    def probability_up(self, features: npt.NDArray[Any]) -> float:
        """How likely the next close is higher, for one row of features."""
        return float(self.forest.predict_proba(features)[0, 1])


def metrics_path(model_path: Path) -> Path:
    """Where the metrics of a model lie."""
    return model_path.with_name(f"{model_path.stem}_metrics.json")


def read_model(path: Path) -> Model:
    """Load the model at ``path``; its metrics count only if they name the same hash."""
    data = path.read_bytes()
    sha256 = hashlib.sha256(data).hexdigest()
    forest = ForestUnpickler(io.BytesIO(data)).load()
    metrics: dict[str, Any] = {}
    try:
        found = json.loads(metrics_path(path).read_bytes())
        if found.get("model_sha256") == sha256:
            metrics = found
    except (OSError, ValueError, AttributeError):
        log.warning("no readable metrics beside the model", extra={"model": path.name})
    model = Model(path.name, sha256, forest, metrics)
    # The first prediction pays for set-up; a user shouldn't.
    model.probability_up(np.zeros((1, forest.n_features_in_), dtype="f4"))
    return model


class LiveModel:
    """The model in use, loaded in the background so that the process answers meanwhile."""

    def __init__(self, path: Path) -> None:
        """Nothing is loaded until ``start``."""
        self.path = path
        self.model: Model | None = None
        self.problem: str | None = "loading"
        self._lock = threading.Lock()

    def start(self) -> LiveModel:
        """Begin loading and return at once."""
        threading.Thread(target=self.load, name="model-loader", daemon=True).start()
        return self

    def load(self) -> bool:
        """Load what is on disk; a model that can't be loaded leaves the present one in use."""
        with self._lock:
            try:
                model = read_model(self.path)
            except Exception as error:
                self.problem = f"{type(error).__name__}: {error}"
                log.exception("model not loaded", extra={"model": self.path.name})
                return False
            self.model, self.problem = model, None
        log.info(
            "model loaded",
            extra={"model": model.name, "model_hash": model.sha256, "version": model.version},
        )
        return True
