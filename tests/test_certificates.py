"""Certificates of every kind, seen through real handshakes."""

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures import certificates
from fixtures.certificates import CertificateState, looked_at
from fixtures.target_file import Alerts, Api, Certificates, Metrics, Service
from fixtures.targets import Target
from runbook.verdict import NotPart, TookTooLong, Unreachable, Unreadable
from tests.http_server import HttpServer
from tests.server_certificate import make_certificate


def state(folder: Path, **made: Any) -> CertificateState:
    with HttpServer(make_certificate(folder, **made)) as server:
        return looked_at(server.address, server.ca_file)


@pytest.mark.parametrize("days", [0.5, 13.9, 90])
def test_a_good_one_says_how_long_it_lasts(tmp_path: Path, days: float) -> None:
    seen = state(tmp_path, days=days)
    assert seen.days_left == pytest.approx(days, abs=0.01)
    assert (seen.problem, seen.error) == (None, None)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ({"days": -1}, "certificate has expired"),
        ({"days": 30, "host": "other.example"}, "IP address mismatch"),
        ({"days": 30, "trusted": False}, "certificate signature failure"),
    ],
)
def test_a_bad_one_is_a_fact_and_no_error(tmp_path: Path, made: dict[str, Any], says: str) -> None:
    seen = state(tmp_path, **made)
    assert seen.problem is not None
    assert says in seen.problem
    assert (seen.days_left, seen.error) == (None, None)


def test_the_public_authorities_do_not_vouch_for_a_private_one(tmp_path: Path) -> None:
    with HttpServer(make_certificate(tmp_path, days=30)) as server:
        seen = looked_at(server.address, None)
    assert seen.problem == "unable to get local issuer certificate"


def test_addresses_that_can_not_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "HANDSHAKE_S", 0.3)
    with HttpServer() as plain:
        seen = looked_at(plain.address, None)
        assert type(seen.error) is Unreadable
        assert "TLS: " in str(seen.error)
    seen = looked_at(plain.address, None)
    assert type(seen.error) is Unreachable
    assert str(seen.error) == f"{plain.address}: connection refused"
    assert type(looked_at("nowhere.invalid:443", None).error) is Unreachable
    assert type(looked_at(plain.address, tmp_path / "gone.pem").error) is Unreadable


def test_a_handshake_that_hangs(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificates, "HANDSHAKE_S", 0.3)
    began = time.monotonic()
    assert type(looked_at(silent, None).error) is TookTooLong
    assert time.monotonic() - began < 1


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_every_https_address_of_a_target_is_found(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    target = Target(
        services={
            "api": Service(url="https://api.example:8443/health", ca_file=ca),
            "db": Service(kind="postgres"),
        },
        api=Api(url="https://api.example:8443", ca_file=ca),
        metrics=Metrics(url="http://api.example/metrics"),
        alerts=Alerts(kind="grafana", url="https://grafana.example", anonymous=True),
        certificates=Certificates(addresses=("mail.example:465", "[::1]:8443", "www.example")),
    )
    assert set(certificates.https_addresses(target)) == {
        ("api.example:8443", ca),
        ("grafana.example:443", None),
        ("mail.example:465", None),
        ("[::1]:8443", None),
        ("www.example:443", None),
    }


def test_a_target_without_https_has_no_certificates() -> None:
    with pytest.raises(NotPart, match=r"certificates\.addresses"):
        certificates.certificates.measure(Target(api=Api(url="http://api.example")))


def test_an_address_that_is_none() -> None:
    target = Target(certificates=Certificates(addresses=("mail.example:port",)))
    with pytest.raises(Unreadable, match=r"mail.example:port: not an address"):
        list(certificates.https_addresses(target))


def test_all_are_looked_at_at_once(tmp_path: Path, silent: str) -> None:
    with HttpServer(make_certificate(tmp_path, days=9)) as server:
        places = (server.address, silent)
        target = Target(certificates=Certificates(addresses=places, ca_file=server.ca_file))
        seen = certificates.certificates.measure(target)
    kinds = {one.address: (one.days_left is None, type(one.error)) for one in seen}
    assert kinds == {server.address: (False, type(None)), silent: (True, TookTooLong)}
