"""The HTTP client: every answer in time, every fault in one line, no secret in any."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures import http
from runbook.verdict import CannotMeasure, TookTooLong, Unreachable, Unreadable
from tests.http_server import HttpServer
from tests.server_certificate import make_certificate

DEADLINE_S = 0.4


@pytest.fixture
def server() -> Iterator[HttpServer]:
    with HttpServer() as running:
        yield running


def test_an_answer_has_all_that_came(server: HttpServer) -> None:
    server.answer("/page", b"hello", kind="text/plain; charset=utf-8")
    answer = http.get(f"{server.url}/page", params={"symbol": "EURUSD"})
    assert (answer.status, answer.body, answer.content_type) == (200, b"hello", "text/plain")
    assert answer.url == f"{server.url}/page?symbol=EURUSD"
    assert 0 < answer.elapsed_ms < 1000
    assert server.headers[0]["User-Agent"] == "mt5-runbook"


@pytest.mark.parametrize(
    "fault",
    ["hangs", "hangs_in_body", "trickles_body", "trickles_unsized_body", "trickles_headers"],
)
def test_a_slow_server_costs_the_deadline_and_no_more(server: HttpServer, fault: str) -> None:
    server.behave(fault)
    began = time.monotonic()
    with pytest.raises(TookTooLong, match=r"no whole answer within 0.4 s"):
        http.get(server.url, deadline_s=DEADLINE_S)
    assert DEADLINE_S * 0.9 < time.monotonic() - began < DEADLINE_S + 0.4


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        ("resets", Unreachable, "connection reset by peer"),
        ("closes", Unreachable, "closed the connection without an answer"),
        ("cut_off", Unreachable, "cut off in the middle"),
        ("huge", Unreadable, "over 8 MB"),
        ("bomb", Unreadable, "over 8 MB"),
        ("no_http", Unreadable, "does not speak HTTP"),
    ],
)
def test_a_fault_says_which(
    server: HttpServer, fault: str, error: type[CannotMeasure], says: str
) -> None:
    server.behave(fault)
    with pytest.raises(error, match=says) as raised:
        http.get(server.url, deadline_s=3)
    assert type(raised.value) is error
    assert "\n" not in str(raised.value)


def test_nobody_there() -> None:
    with HttpServer() as gone:
        url = gone.url
    with pytest.raises(Unreachable, match=f"^{url}: connection refused$"):
        http.get(url)


def test_a_name_that_is_none() -> None:
    with pytest.raises(Unreachable, match="can't be resolved"):
        http.get("http://nowhere.invalid/")


@pytest.mark.parametrize(
    "url", ["http://[::1/", "http:///x", "http://127.0.0.1:99999/", "ftp://x/"]
)
def test_no_address(url: str) -> None:
    with pytest.raises(Unreadable):
        http.get(url)


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("login_page", "no JSON but a login page: <!DOCTYPE html>"),
        ("html", "no JSON but an HTML page: <html>"),
        ("wrong_json", 'no JSON but application/json: {"status": "succ'),
        ("nan_json", "no JSON but application/json"),
        ("deep_json", "no JSON but application/json"),
        ("binary", "no JSON but application/octet-stream"),
        ("empty", "no JSON but an empty answer"),
        ("unauthorized", "access refused (401)"),
        ("forbidden", "access refused (403)"),
        ("server_error", "answered 500 with text/plain: boom"),
        ("no_content", "answered 204 with an empty answer"),
        ("redirect", "redirects (302) to"),
        ("redirect_loop", "redirects (307) to"),
    ],
)
def test_what_came_instead_of_json(server: HttpServer, fault: str, says: str) -> None:
    server.behave(fault)
    with pytest.raises(Unreadable) as raised:
        http.get(server.url).checked().json()
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(server.asked) == 1


def test_no_secret_in_any_message(server: HttpServer) -> None:
    server.behave("redirect")
    url = f"http://trader:hunter2@{server.address}/x?api_key=hunter2&symbol=EURUSD#hunter2"
    answer = http.get(url)
    with pytest.raises(Unreadable) as raised:
        answer.checked()
    assert "hunter2" not in str(raised.value) + answer.url
    assert answer.url == f"{server.url}/x?api_key=***&symbol=EURUSD"
    assert server.headers[0]["Authorization"].startswith("Basic ")


def test_a_token_that_can_not_be_sent_is_not_shown(server: HttpServer) -> None:
    for token in ("hunter2\nX: y", "hunter2€"):
        with pytest.raises(Unreadable, match="can't be sent") as raised:
            http.get(server.url, headers={"Authorization": f"Bearer {token}"})
        assert "hunter2" not in str(raised.value)
        assert raised.value.__cause__ is None


def test_the_environment_s_proxy_is_not_used(
    server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    server.behave("alertmanager_ok")
    assert http.get(f"{server.url}/api/v2/alerts").checked().json() == []


def test_best_of_keeps_one_connection_and_counts_each_request(server: HttpServer) -> None:
    server.answer("/health", b"{}")
    before = time.monotonic()
    answer = http.best_of(f"{server.url}/health", 5)
    made = http.own_requests(server.address, before, time.monotonic())
    assert [r.path for r in made] == ["/health"] * 5
    assert server.connections == 1
    assert answer.elapsed_ms == pytest.approx(min(r.ended - r.began for r in made) * 1000)
    assert not http.own_requests(server.address, time.monotonic(), time.monotonic())


def test_best_of_ends_with_an_answer_that_is_no_success(server: HttpServer) -> None:
    server.behave("server_error")
    assert http.best_of(server.url).status == 500
    assert len(server.asked) == 1


def test_own_requests_of_many_threads_are_all_counted(server: HttpServer) -> None:
    server.answer("/x", b"{}")
    before = time.monotonic()
    threads = [threading.Thread(target=http.get, args=(f"{server.url}/x",)) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(http.own_requests(server.address, before, time.monotonic())) == 12


def test_https_with_its_authority(tmp_path: Path) -> None:
    with HttpServer(make_certificate(tmp_path, days=30)) as server:
        server.answer("/x", b"{}")
        assert http.get(f"{server.url}/x", ca_file=server.ca_file).status == 200
        with pytest.raises(Unreadable, match="certificate not trusted: unable to get local issuer"):
            http.get(f"{server.url}/x")


@pytest.mark.parametrize(
    ("days", "host", "says"), [(-1, "127.0.0.1", "has expired"), (9, "other.example", "mismatch")]
)
def test_https_with_a_wrong_certificate(tmp_path: Path, days: int, host: str, says: str) -> None:
    with (
        HttpServer(make_certificate(tmp_path, days=days, host=host)) as server,
        pytest.raises(Unreadable, match=says),
    ):
        http.get(server.url, ca_file=server.ca_file)


def test_http_where_https_is_spoken_and_the_other_way_round(
    server: HttpServer, tmp_path: Path
) -> None:
    with pytest.raises(Unreadable, match="TLS: "):
        http.get(f"https://{server.address}/")
    with (
        HttpServer(make_certificate(tmp_path, days=3)) as tls,
        pytest.raises(CannotMeasure),
    ):
        http.get(f"http://{tls.address}/", deadline_s=DEADLINE_S)


def test_a_handshake_that_hangs(silent: str) -> None:
    with pytest.raises(TookTooLong):
        http.get(f"https://{silent}/", deadline_s=DEADLINE_S)


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that accepts and says nothing."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


def test_a_ca_file_that_is_none(server: HttpServer, tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"gone.pem: can't be read: No such file"):
        http.get(server.url, ca_file=tmp_path / "gone.pem")
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(Unreadable, match=r"empty.pem: holds no certificate"):
        http.get(server.url, ca_file=tmp_path / "empty.pem")
