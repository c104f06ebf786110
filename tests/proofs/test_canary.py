"""A canary secret in every place a real one has, on a system that fails in every way: it is nowhere."""

import base64
import json
import urllib.parse
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fixtures import sandbox_data as data
from tests.proofs import faults
from tests.proofs.world import World, world

CANARY = "c4n4ry/Zx+9=Qw&7"


@pytest.fixture
def leaky(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        yield made


def forms(secret: str) -> Iterator[bytes]:
    raw = secret.encode()
    yield raw
    yield json.dumps(secret)[1:-1].encode()
    yield urllib.parse.quote(secret, safe="").encode()
    yield urllib.parse.quote_plus(secret).encode()
    yield secret.replace("&", "&amp;").encode()
    for offset in range(3):
        yield base64.b64encode(b"u" * offset + raw)[4:-4]


@pytest.mark.timeout(180)
def test_a_canary_in_dsn_token_url_header_and_log(leaky: World) -> None:
    folder = leaky.box.folder
    leaky.sql(f"alter role {data.READER} password '{CANARY}'", user="postgres")
    (folder.secrets / f"{data.READER}__password").write_text(CANARY, "utf-8")
    (folder.secrets / "alerts__token").write_text(CANARY, "utf-8")
    text = leaky.target.read_text("utf-8")
    leaky.target.write_text(
        text.replace("/health", f"/health?token={urllib.parse.quote(CANARY, safe='')}"), "utf-8"
    )
    log = folder.logs / "api.log"
    basic = base64.b64encode(f"watcher:{CANARY}".encode()).decode()
    lines = [
        f"ERROR could not connect to postgresql://watcher:{CANARY}@127.0.0.1/mt5_trading",
        f"ERROR request failed: Authorization: Bearer {CANARY}",
        f"ERROR request failed: Authorization: Basic {basic}",
        f"ERROR GET /x?token={urllib.parse.quote(CANARY, safe='')} failed",
    ]
    with log.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)
    with ExitStack() as broken:
        for name in ("an alert fires", "api answers 200 with a bad body"):
            [fault] = [one for one in faults.FAULTS if one.name == name]
            broken.enter_context(fault.inject(leaky))
        outcomes = [leaky.judge("morning or smoke or triage"), leaky.judge("morning", "-n", "2")]
        leaky.end("db")
        outcomes.append(leaky.judge("morning or smoke or triage", "-vv", "--showlocals"))
    assert all(outcome.exit == 1 for outcome in outcomes)
    assert any("[secret]" in outcome.screen for outcome in outcomes)
    written = {
        str(p): p.read_bytes() for p in leaky.folder.joinpath("reports").rglob("*") if p.is_file()
    }
    assert len(written) > 100
    written |= {f"screen {n}": outcome.screen.encode() for n, outcome in enumerate(outcomes)}
    found = [
        (name, form) for name, text in written.items() for form in forms(CANARY) if form in text
    ]
    assert found == []
