"""A certificate that ends cuts off everyone who connects, all at the same second."""

from runbook.ids import runbook
from runbook.verdict import CannotMeasure


@runbook(
    "morning.certificates",
    likely="the renewal failed, or it renewed and the server still serves the old one",
    look="openssl s_client -connect HOST:PORT",
    do="deploy.infra",
)
def test_certificates_last(certificates, limits, measured):
    """There is time to renew before a connection to the stack is refused."""
    unseen = [str(one.error) for one in certificates if one.error]
    for error in unseen:
        measured.note(f"not seen: {error}")
    days = [
        measured(one.days_left, "days left", of=one.address) >= limits.certificate_min_days
        for one in certificates
        if one.days_left is not None
    ]
    trust = [
        measured(one.problem, of=one.address) == "trusted"
        for one in certificates
        if one.problem is not None
    ]
    assert all([*days, *trust])
    if unseen:
        raise CannotMeasure("; ".join(unseen))
