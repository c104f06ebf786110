"""Secrets stay out of everything that is written, in every form they travel in."""

import base64
import json
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook.redaction import Redactor, encoded

CANARY = "canary/S3cr3t+Value=42&x"

LEAKY = f'''
import json, warnings
SECRET = {CANARY!r}

@runbook("morning.disk", **said)
@each(symbol="market.symbols")
def test_leaks_everywhere(symbol, target, measured, evidence, capsys):
    """Why."""
    password = target.database.password.get_secret_value()
    import base64, urllib.parse
    forms = [password, urllib.parse.quote(password, safe=""), base64.b64encode(password.encode()).decode(),
             base64.b64encode(b"user:" + password.encode()).decode()]
    evidence("what was sent", "\\n".join(forms) + f"\\npostgresql://u:{{password}}@h/db")
    for form in forms:
        print("printed", form)
        measured.note("noted " + form)
    local_variable = forms
    assert measured(password, of=f"dsn postgresql://u:{{password}}@h/db") == "something else", forms

@runbook("morning.disk", **said)
def test_breaks_with_it(target, measured):
    """Why."""
    raise Unreachable("postgresql://u:" + target.database.password.get_secret_value() + "@h/db")

@runbook("morning.disk", **said)
def test_has_a_bug(target, measured):
    """Why."""
    {{}}[target.database.password.get_secret_value()]

@runbook("morning.disk", **said)
def test_skips_with_it(target, measured):
    """Why."""
    raise NotPart(target.database.password.get_secret_value())
'''
TARGET = '[database]\nhost = "h"\nname = "n"\nuser = "u"\n[market]\nsymbols = ["EURUSD"]\n'


def forms(secret: str) -> Iterator[bytes]:
    raw = secret.encode()
    yield raw
    yield json.dumps(secret)[1:-1].encode()
    yield urllib.parse.quote(secret, safe="").encode()
    yield urllib.parse.quote_plus(secret).encode()
    for offset in range(3):
        text = base64.b64encode(b"u" * offset + raw)
        yield text[4:-4]
    yield secret.replace("&", "&amp;").encode()


@pytest.mark.parametrize("more", [[], ["-n", "2"], ["-vv", "--tb=long", "--showlocals"], ["-s"]])
def test_a_canary_is_nowhere(small, more):
    small.write(morning=LEAKY, target=TARGET)
    ran = small.run("-m", "morning", *more, env={"RUNBOOK_DATABASE__PASSWORD": CANARY})
    assert ran.exit == 1
    assert len(ran.records) == 4
    files = [path for path in ran.folder.rglob("*") if path.is_file()]
    assert len(files) > 8
    written = {str(path): path.read_bytes() for path in files} | {"screen": ran.screen.encode()}
    if "-s" in more:
        # What a check prints straight to the terminal never passes through the suite.
        del written["screen"]
    found = [
        (name, form) for name, text in written.items() for form in forms(CANARY) if form in text
    ]
    assert found == []
    assert any(b"[secret]" in text for text in written.values())


@given(st.text(min_size=4, max_size=40), st.text(max_size=20), st.text(max_size=20))
def test_whatever_surrounds_it(secret, before, after):
    redactor = Redactor()
    redactor.add([secret])
    assert secret not in redactor.clean(before + secret + after).replace("[secret]", "")


@given(st.binary(max_size=9), st.text(min_size=8, max_size=40), st.binary(max_size=9))
def test_base64_at_any_offset(before, secret, after):
    redactor = Redactor()
    redactor.add([secret])
    text = base64.b64encode(before + secret.encode() + after).decode()
    inner = text[(len(before) + 2) // 3 * 4 + 4 : -(len(after) + 2) // 3 * 4 - 4]
    assert len(inner) < 8 or inner not in redactor.clean(text)


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://user:hunter2@db/x",
        "Authorization: Bearer hunter2",
        "password=hunter2",
        "token: hunter2",
    ],
)
def test_what_looks_like_a_credential_goes_too(text):
    assert "hunter2" not in Redactor().clean(text)


@pytest.mark.parametrize("text", ["disk /: 63 %, limit < 80", "passwords are fine", "token bucket"])
def test_innocent_text_stays(text):
    redactor = Redactor()
    redactor.add(["a-real-secret", "abc"])
    assert redactor.clean(text) == text


def test_short_values_are_left_alone():
    redactor = Redactor()
    redactor.add(["x", "ab"])
    assert redactor.clean("xab") == "xab"


def test_every_form_is_known():
    assert {CANARY, urllib.parse.quote(CANARY, safe="")} <= encoded(CANARY)


def test_the_run_folder_is_what_is_searched(small):
    small.write(morning=LEAKY, target=TARGET)
    ran = small.run("-m", "morning", env={"RUNBOOK_DATABASE__PASSWORD": CANARY})
    names = {path.name for path in Path(ran.folder, "latest").rglob("*")}
    assert {"junit.xml", "records.json", "allure-results"} <= names
    assert (ran.folder / "metrics.prom").exists()
