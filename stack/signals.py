"""When a probability is acted on, the same for trading and for judging a model."""

from __future__ import annotations

BUY_FROM = 0.55
SELL_UP_TO = 0.45


def signal(probability_up: float) -> str:
    """``buy``, ``sell``, or ``hold`` in between."""
    if probability_up >= BUY_FROM:
        return "buy"
    return "sell" if probability_up <= SELL_UP_TO else "hold"
