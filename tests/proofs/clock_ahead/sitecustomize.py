"""Loaded by a process whose PYTHONPATH names this folder: its clock is 90 seconds ahead."""

import time

_real = time.time
time.time = lambda: _real() + 90
