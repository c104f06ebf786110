"""Target files: what is wrong with one is one line that names the file and the key."""

import tomllib
from pathlib import Path

import pytest

from fixtures import target_file, targets
from fixtures.targets import Target, TargetError, load

PROJECT = Path(__file__).parent.parent
DATABASE = '[database]\nhost = "h"\nname = "n"\nuser = "u"\n'


@pytest.fixture
def target(tmp_path):
    def write(text: str, name: str = "mine.toml") -> str:
        (tmp_path / name).write_text(text, "utf-8")
        return str(tmp_path / name)

    return write


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = [", "not valid TOML"),
        ("[limits]\ndisk_usd_max_percent = 3", "limits.disk_usd_max_percent: unknown key, did you mean disk_used_max_percent?"),
        ("[limits]\ndisk_used_max_percent = 'much'", "limits.disk_used_max_percent"),
        ("[limits]\ndisk_used_max_percent = 120", "less than or equal to 100"),
        ("[service.api]\nurl = 'http://x'", "service: unknown key, did you mean services?"),
        ("[services.api]\nurl = 'ftp://x'", "services.api.url: 'ftp://x' is not an http:// or https:// address"),
        (DATABASE, "database.password is missing: set RUNBOOK_DATABASE__PASSWORD"),
        (DATABASE + "password = 'x'", "database.password is a secret and must not stand in the file"),
        (DATABASE + "passwordless = true\nport = 0", "database.port"),
        ("[database]\nname = 'n'", "database.host: this key is missing (and 1 more)"),
        ("[market]\nsymbols = []", "market.symbols"),
        ("[market]\nsymbols = ['A']\ntable = 'a; drop'", "is not the name of a table or column"),
        ("[market]\nsymbols = ['A']\ntime_zone = 'Mars/Base'", "'Mars/Base' is not a time zone"),
        ("[logs]\nsources = {}", "logs.sources"),
        ("[[logs.allow]]\npattern = '('\nreason = 'r'\nexpires = 2030-01-01\n[logs.sources.a]\nfiles = 'x'", "is not a regular expression"),
        ("[alerts]\nkind = 'grafana'\nurl = 'http://x'", "alerts.token is missing"),
        ("[alerts]\nkind = 'nagios'\nurl = 'http://x'", "alerts.kind"),
        ("[services.api]\nurl = 'http://me:hunter2@x/health'", "services.api.url"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(target, text, words):
    path = target(text)
    with pytest.raises(TargetError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_missing_file_is_named():
    with pytest.raises(
        TargetError,
        match=r"--target nowhere: there is no file .*targets/nowhere.toml; targets/ has sandbox",
    ):
        load("nowhere")


def test_secrets_come_from_the_environment_or_the_folder(target, tmp_path, monkeypatch):
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "database__password").write_text("from-folder\n")
    path = target('secrets_dir = "secrets"\n' + DATABASE)
    assert list(load(path).secrets()) == ["from-folder"]
    monkeypatch.setenv("RUNBOOK_DATABASE__PASSWORD", "from-environment")
    assert list(load(path).secrets()) == ["from-environment"]
    monkeypatch.setenv("RUNBOOK_MINE__DATABASE__PASSWORD", "for-this-target")
    assert list(load(path).secrets()) == ["for-this-target"]


def test_the_environment_adds_no_section(target, monkeypatch):
    monkeypatch.setenv("RUNBOOK_DATABASE__PASSWORD", "x")
    assert load(target("[disk]\n")).database is None


def test_the_environment_overrides_keys_of_the_file(target, monkeypatch):
    monkeypatch.setenv("RUNBOOK_API__EXPECTED_VERSION", "v9.9.9")
    loaded = load(target("[api]\nurl = 'http://127.0.0.1:1'\n"))
    assert loaded.api is not None
    assert loaded.api.expected_version == "v9.9.9"


def test_a_target_is_frozen_and_shows_no_secret(target, monkeypatch):
    monkeypatch.setenv("RUNBOOK_DATABASE__PASSWORD", "hunter2-hunter2")
    loaded = load(target(DATABASE))
    with pytest.raises(ValueError, match="frozen"):
        loaded.name = "x"
    assert "hunter2" not in repr(loaded) + str(loaded.database) + loaded.model_dump_json()


def test_paths_start_from_the_files_folder(target, tmp_path):
    loaded = load(target("[backups]\nfolder = 'b'\n[logs.sources.a]\nfiles = 'l/*.log'\n"))
    assert loaded.backups is not None
    assert loaded.logs is not None
    assert loaded.backups.folder == tmp_path / "b"
    assert loaded.logs.sources["a"].files == str(tmp_path / "l/*.log")


def test_the_example_explains_every_key_and_its_default(monkeypatch):
    for name in ("DATABASE__PASSWORD", "ALERTS__PASSWORD"):
        monkeypatch.setenv(f"RUNBOOK_{name}", "a-secret")
    path = targets.TARGETS / "example.toml"
    text = path.read_text("utf-8")
    assert load(str(path)).name == "example"
    raw = tomllib.loads(text)
    assert raw["limits"] == target_file.Limits().model_dump()
    words = {line.strip(" #").split(" =")[0] for line in text.splitlines() if " =" in line}
    for section in Target.model_fields:
        if section not in ("sandbox", "limits"):
            assert section in raw, section
    models = [
        m
        for m in vars(target_file).values()
        if isinstance(m, type) and issubclass(m, target_file.Section)
    ]
    for model in models:
        if model.__name__ in ("Section", "Sandbox"):
            continue
        for key, field in model.model_fields.items():
            if "SecretStr" not in str(field.annotation):
                assert key in words or f".{key}" in text, f"{model.__name__}.{key}"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--target", "nowhere"], "there is no file"),
        (["-m", "mornign"], "mornign"),
        (["--target", "t.toml", "--target", "t.toml"], "two targets are called t"),
    ],
)
def test_the_command_line_ends_with_4_and_one_line(small, arguments, words):
    small.write(morning="")
    ran = small.run(*arguments, targets="")
    assert ran.exit == 4
    assert words in ran.screen
    assert len(ran.screen.strip().splitlines()) == 1


def test_a_bad_target_file_ends_with_4_and_one_line(small):
    small.write(morning="", target="[dsk]\n")
    ran = small.run("-m", "morning")
    assert ran.exit == 4
    assert ran.screen.strip().splitlines() == [
        "ERROR: t.toml: dsk: unknown key, did you mean disk?"
    ]


def test_a_target_anywhere_can_be_given_after_a_space(small, tmp_path_factory):
    small.write(
        morning='@runbook("morning.disk", **said)\ndef test_it(measured):\n    "W."\n    assert measured(1, of="x") < 2'
    )
    elsewhere = tmp_path_factory.mktemp("a folder of its own") / "far.toml"
    elsewhere.write_text("[disk]\n", "utf-8")
    assert small.run("-m", "morning", "--target", str(elsewhere), targets="").exit == 0
