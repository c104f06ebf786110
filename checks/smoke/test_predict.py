"""Every symbol that is traded gets a prediction of the approved model, in time."""

from runbook.each import each
from runbook.ids import runbook
from runbook.verdict import CannotMeasure, NotPart


@runbook(
    "smoke.predict",
    likely="the model did not load, or the symbol has no recent bars",
    look="docker compose logs --tail 100 api",
    do="rollback.api.image",
)
@each(symbol="market.symbols")
def test_prediction_is_a_probability(symbol, predictions, target, measured):
    """A number outside 0 to 1 sizes positions wrongly."""
    reply = predictions[symbol]
    probability = reply.field(target.api.probability_key)
    if reply.status == 200 and not isinstance(probability, int | float):
        raise AssertionError(f"{symbol}: {target.api.probability_key} is {probability!r}")
    assert measured(reply.status, of=f"{symbol} status") == 200
    assert all(
        [
            measured(probability, of=f"{symbol} probability") >= 0,
            measured(probability, of=f"{symbol} probability") <= 1,
        ]
    )


@runbook(
    "smoke.predict",
    likely="requests are mixed up between workers, or a cache key lacks the symbol",
    look="docker compose logs --tail 100 api",
    do="rollback.api.image",
)
@each(symbol="market.symbols")
def test_prediction_is_for_its_symbol(symbol, predictions, target, measured):
    """The right number for the wrong pair is the wrong order."""
    if target.api.symbol_key is None:
        raise NotPart("api.symbol_key is not set: answers don't name their symbol")
    answered = predictions[symbol].predicted(target.api.symbol_key)
    assert measured(answered, of=f"symbol answered for {symbol}") == symbol


@runbook(
    "smoke.predict",
    likely="the API was not reloaded after the rollout, or was rolled back half",
    look="docker compose exec ml ls -l /models",
    do="rollback.model",
)
@each(symbol="market.symbols")
def test_prediction_is_of_the_approved_model(symbol, predictions, model_approval, target, measured):
    """Only a model that a person approved may decide."""
    if target.api.model_hash_key is None:
        raise NotPart("api.model_hash_key is not set: answers don't name their model")
    served = predictions[symbol].predicted(target.api.model_hash_key)
    if served is None:
        raise CannotMeasure(f"{symbol}: the answer has no {target.api.model_hash_key}")
    known = (
        "approved" if served in model_approval.approved else f"not approved ({str(served)[:12]})"
    )
    assert measured(known, of=f"model behind {symbol}") == "approved"


@runbook(
    "smoke.predict",
    likely="the machine is overloaded, or the database is slow",
    look="docker stats --no-stream",
    do="incident.slow-database",
)
@each(symbol="market.symbols")
def test_prediction_is_quick(symbol, predictions, target, limits, measured):
    """A late prediction is a missed price."""
    reply = predictions[symbol]
    reply.predicted(target.api.probability_key)
    assert measured(reply.latency_ms, "ms", of=symbol) < limits.prediction_latency_max_ms
