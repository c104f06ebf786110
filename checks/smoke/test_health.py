"""The new version has to be the one that was deployed, and well, before it gets orders."""

from runbook.ids import runbook
from runbook.verdict import NotPart


@runbook(
    "smoke.health",
    likely="the new version can't reach its database or its model",
    look="docker compose logs --tail 100 api",
    do="rollback.api.image",
)
def test_api_is_healthy(api_health, measured):
    """An API that is not well must not get traffic."""
    assert measured(api_health.status, of="status of the health answer") == 200


@runbook(
    "smoke.health",
    likely="the old container still serves, or the tag points elsewhere",
    look="docker compose images api",
    do="deploy.api.switch",
)
def test_expected_version_is_served(api_health, target, measured):
    """A deploy that left the old version running looks like a success."""
    if target.api.expected_version is None:
        raise NotPart("api.expected_version is not set for this target")
    served = api_health.field(target.api.version_key)
    assert measured(served, of="version served") == target.api.expected_version


@runbook(
    "smoke.health",
    likely="the image was built before the last commit",
    look="docker compose images api",
    do="deploy.api.build",
)
def test_expected_build_is_served(api_health, target, measured):
    """Two builds of one version number are two programs."""
    if target.api.expected_build is None:
        raise NotPart("api.expected_build is not set for this target")
    served = api_health.field(target.api.build_key)
    assert measured(served, of="build served") == target.api.expected_build
