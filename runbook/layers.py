"""What stands on what: a layer that is down makes everything above it say nothing."""

# Each layer with the ones directly below it, lowest first.
BELOW: dict[str, tuple[str, ...]] = {
    "host": (),
    "db": ("host",),
    "pgbouncer": ("db",),
    "api": ("pgbouncer",),
    "ml": ("api",),
    "prometheus": ("host",),
    "grafana": ("prometheus",),
}


def below(layer: str) -> list[str]:
    """All layers under `layer`, lowest first, itself left out."""
    found: list[str] = []
    for lower in BELOW[layer]:
        found += [name for name in (*below(lower), lower) if name not in found]
    return found
