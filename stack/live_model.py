"""The API's live model; importing this module begins to load it.

The import of scikit-learn takes longer than all the rest of the start, so it should be under
way before the web framework is imported.
"""

from __future__ import annotations

from stack.model import LiveModel
from stack.settings import read_settings

LIVE = LiveModel(read_settings().model_path).start()
