"""What a model file would ask for is seen before anything runs, however it is hidden."""

import collections
import contextlib
import copyreg
import importlib
import os
import pickle
import pickletools
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.model_file import names_in
from fixtures.model_load import KNOWN, PREDICTS, tried
from fixtures.pickle_program import Refused
from fixtures.trusted_names import Name, is_allowed
from runbook import process
from runbook.verdict import CannotMeasure, TookTooLong

MODULES = ("sklearn", "numpy", "joblib")
# Trains in a child of its own: scikit-learn is never imported into the suite's process.
TRAINER = """
import io, pickle, sys, joblib, numpy
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
rows = numpy.random.default_rng(1).random((60, 3))
label = (rows[:, 0] > 0.5).astype(int)
forest = RandomForestClassifier(3, random_state=1).fit(rows, label)
boosted = GradientBoostingClassifier(n_estimators=2).fit(rows, label)
piped = make_pipeline(StandardScaler(), RandomForestClassifier(2, n_jobs=2)).fit(rows, label)
out = {f"protocol {n}": pickle.dumps(forest, n) for n in (0, 2, 4, 5)}
out["pipeline"] = pickle.dumps(piped)
out["text answers"] = pickle.dumps(RandomForestClassifier(2).fit(rows, label.astype(str)))
for name, model in (("joblib", forest), ("joblib boosted", boosted)):
    joblib.dump(model, stream := io.BytesIO())
    out[name] = stream.getvalue()
joblib.dump(forest, stream := io.BytesIO(), compress=3)
out["compressed"] = stream.getvalue()
class Old(RandomForestClassifier):
    def __getstate__(self):
        return {**super().__getstate__(), "_sklearn_version": "1.2.0"}
Old.__module__, Old.__qualname__, Old.__name__ = (
    "sklearn.ensemble._forest", "RandomForestClassifier", "RandomForestClassifier")
sys.modules["sklearn.ensemble._forest"].RandomForestClassifier = Old
out["older version"] = pickle.dumps(Old(2).fit(rows, label))
sys.stdout.buffer.write(pickle.dumps(out))
"""


@pytest.fixture(scope="module")
def trained():
    done = process.run([sys.executable, "-I", "-c", TRAINER], within_s=60).checked()
    return pickle.loads(done.stdout)


GOOD = ("protocol 0", "protocol 2", "protocol 4", "protocol 5", "pipeline", "text answers")
BY_JOBLIB = ("joblib", "joblib boosted")


@pytest.mark.parametrize("kind", [*GOOD, *BY_JOBLIB])
def test_a_real_model_asks_for_known_names_only(trained, kind):
    names = names_in(trained[kind])
    assert [str(name) for name in names if not is_allowed(name, MODULES)] == []
    assert any(name.name == "Tree" for name in names)


@pytest.mark.parametrize("kind", ["protocol 2", "protocol 5", "joblib boosted", "pipeline"])
def test_a_real_model_predicts_in_a_clean_process(trained, kind):
    load = tried(trained[kind], "rf_m1.pkl", MODULES)
    assert (load.content, load.outcome) == (KNOWN, PREDICTS)
    assert (load.n_features, load.classes) == (3, ("0", "1"))
    assert load.written_with == load.loaded_with
    assert "sklearn" not in sys.modules


def test_a_model_of_another_version_is_told(trained):
    load = tried(trained["older version"], "rf_m1.pkl", MODULES)
    assert load.written_with == "1.2.0" != load.loaded_with


def test_a_compressed_model_is_refused(trained):
    assert "compressed with zlib" in tried(trained["compressed"], "m", MODULES).content


@pytest.mark.parametrize("kind", ["protocol 5", "joblib"])
def test_a_cut_off_model_is_refused_everywhere(trained, kind):
    data = trained[kind]
    for length in range(0, len(data), max(1, len(data) // 40)):
        with pytest.raises(Refused):
            names_in(data[:length])
    with pytest.raises(Refused, match="bytes follow"):
        names_in(data + b"x")


# What must never run.


class Runs:
    """Pickles as a call of what it is given."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def forged(canary):
    """Pickles that would make the file `canary` if anything ran them."""
    command = f"touch {canary}"
    call = f"(S'{command}'\ntR.".encode()
    yield "system", pickle.dumps(Runs(os.system, command))
    yield "eval", pickle.dumps(Runs(eval, f"open({str(canary)!r}, 'w')"))
    yield "open", pickle.dumps(Runs(open, str(canary), "w"))
    yield "getattr", b"cbuiltins\ngetattr\n(cbuiltins\nlist\nS'append'\ntR."
    yield "import", pickle.dumps(Runs(importlib.import_module, "antigravity"))
    yield "in a list", pickle.dumps([collections.OrderedDict(a=Runs(os.system, command))])
    for protocol in range(6):
        yield f"protocol {protocol}", pickle.dumps(Runs(os.system, command), protocol)
    yield "GLOBAL", b"cposix\nsystem\n" + call
    yield "INST", f"(S'{command}'\niposix\nsystem\n.".encode()
    yield "OBJ", f"(cposix\nsystem\nS'{command}'\no.".encode()
    yield "popped again", b"cposix\nsystem\n" + call[:-1] + b"0N."
    # The names come from the memo, swapped after they were stored.
    yield (
        "memo",
        b"\x80\x04\x8c\x05numpy\x94\x8c\x05dtype\x94\x8c\x05posix\x8c\x06system"
        b"q\x010q\x000h\x00h\x01\x93" + f"(S'{command}'\ntR.".encode(),
    )
    yield "dotted", b"\x80\x04\x8c\x10sklearn.pipeline\x8c\x0bnp.os.system\x93" + call
    yield "joined name", b"\x80\x04\x8c\x05posix\x8c\x03sys\x8c\x03tem\x86\x93" + call
    yield "called twice", b"cbuiltins\nlist\n(tR(S'x'\ntR."
    yield "codec", b"c_codecs\nencode\n(Vx\nVzlib_codec\ntR."
    yield "changes a class", b"csklearn.pipeline\nPipeline\n}S'predict'\ncos\nsystem\nsb."
    yield "changes a class unseen", b"csklearn.pipeline\nPipeline\n}S'predict'\nS'x'\nsb."
    yield "persistent", b"Pposix.system\n."
    yield "numpy", b"cnumpy.testing._private.utils\nrunstring\n(S'x'\n}tR."
    yield "f2py", b"cnumpy.f2py\ncompile\n(S'x'\ntR."
    yield "joblib", b"cjoblib\nload\n(S'/tmp/x'\ntR."
    yield "memory", b"cjoblib.memory\nMemory\n(S'/tmp/x'\ntR."
    yield "datasets", b"csklearn.datasets\nfetch_openml\n(S'x'\ntR."
    yield "function", b"csklearn.preprocessing._function_transformer\nFunctionTransformer\n(tR."
    yield "pickled pickle", b"cpickle\nloads\n(S'x'\ntR."
    yield "numpy load", b"cnumpy\nload\n(S'x'\ntR."
    yield "newobj", b"\x80\x02csubprocess\nPopen\n(S'x'\nt\x81."


def test_no_forged_model_runs(tmp_path):
    canary = tmp_path / "canary"
    passed = []
    for name, data in forged(canary):
        try:
            load = tried(data, "m", MODULES)
        except CannotMeasure as error:
            pytest.fail(f"{name}: {error}")
        if load.content == KNOWN:
            passed.append(name)
        assert not canary.exists(), name
    assert passed == []


def test_the_forgeries_are_real(tmp_path):
    canary = tmp_path / "canary"
    ran = 0
    for name, data in forged(canary):
        if name in ("system", "in a list", "protocol 0", "GLOBAL", "INST", "OBJ", "memo"):
            done = process.run([sys.executable, "-c", LOADS], stdin=data, within_s=10)
            assert canary.exists(), (name, done.stderr)
            canary.unlink()
            ran += 1
    assert ran == 7


LOADS = "import pickle, sys; pickle.load(sys.stdin.buffer)"


def test_extension_codes_are_refused():
    copyreg.add_extension("posix", "system", 0xF0)
    try:
        data = pickle.dumps(os.system, 2)
    finally:
        copyreg.remove_extension("posix", "system", 0xF0)
    with pytest.raises(Refused, match="EXT1"):
        names_in(data)


def test_a_class_that_a_module_merely_imports_is_refused_at_the_load():
    # sklearn.ensemble._forest imports Parallel; only the child can see whose class it is.
    data = b"\x80\x02csklearn.ensemble._forest\nParallel\n)\x81."
    load = tried(data, "m", MODULES)
    assert "is no class of that module" in load.outcome


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\0" * 100, "no complete pickle"),
        (b"\x89PNG\r\n", "PERSID is not understood"),
        (b"hello", "never stored"),
        (b"PK\x03\x04zip", "zip"),
        (b".", "isn't there"),
        (b"NN.", "1 values too many"),
        (b"0.", "no complete pickle"),
        (b"(.", "isn't there"),
        (b"K\x01K\x02a.", "didn't make"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
    ],
)
def test_what_is_no_model_says_why(data, said):
    with pytest.raises(Refused, match=said):
        names_in(data)


def test_a_model_that_is_something_else_fails_and_is_not_broken():
    load = tried(pickle.dumps({"a": 1}), "m", MODULES)
    assert load.outcome.startswith("AttributeError")


def test_a_joblib_array_beyond_the_file_is_refused(trained):
    data = trained["joblib"].replace(b"shape\x94K\x02\x85", b"shape\x94K\xff\x85", 1)
    with pytest.raises(Refused):
        names_in(data)


@pytest.mark.parametrize(
    ("module", "name", "allowed"),
    [
        ("sklearn.ensemble._forest", "RandomForestClassifier", True),
        ("sklearn.ensembles", "RandomForestClassifier", False),
        ("sklearn.utils._testing", "Path", False),
        ("sklearn.tree._export", "export_text", False),
        ("builtins", "eval", False),
        ("builtins", "getattr", False),
        ("collections", "OrderedDict", True),
        ("numpy", "dtype", True),
        ("numpy", "memmap", False),
        ("xgboost.sklearn", "XGBClassifier", False),
    ],
)
def test_names_are_allowed_by_list(module, name, allowed):
    assert is_allowed(Name(module, name), MODULES) is allowed


def test_the_target_may_narrow_and_widen():
    assert not is_allowed(Name("numpy", "dtype"), ("sklearn",))
    assert is_allowed(Name("xgboost.sklearn", "XGBClassifier"), ("xgboost",))
    assert not is_allowed(Name("xgboost.core", "load"), ("xgboost",))


OPCODES = [code.code.encode("latin1") for code in pickletools.opcodes]


@settings(max_examples=300)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.lists(st.sampled_from(OPCODES) | st.binary(max_size=5), max_size=40).map(b"".join),
    )
)
def test_nothing_escapes_the_scan(data):
    with contextlib.suppress(Refused):
        names_in(data)


@settings(max_examples=100, deadline=None)
@given(place=st.integers(0, 10**6), value=st.integers(0, 255))
def test_no_damage_to_a_model_escapes_the_scan(trained, place, value):
    data = bytearray(trained["joblib boosted"])
    data[place % len(data)] = value
    with contextlib.suppress(Refused):
        names_in(bytes(data))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(VALUES, st.integers(0, 5))
def test_plain_values_ask_for_nothing_dangerous(value, protocol):
    data = pickle.dumps(value, protocol)
    assert all(is_allowed(name, MODULES) for name in names_in(data))


def test_a_program_without_end_is_refused(monkeypatch):
    monkeypatch.setattr("fixtures.model_file._MOST_STEPS", 1000)
    with pytest.raises(Refused, match="more than 1000 steps"):
        names_in(b"N" * 5000)


def test_a_child_that_hangs_is_ended(monkeypatch, trained):
    monkeypatch.setattr("fixtures.model_load._WITHIN_S", 0.05)
    with pytest.raises(TookTooLong):
        tried(trained["protocol 5"], "m", MODULES)


def test_memory_is_bounded(monkeypatch):
    # 64 GB of zeros, asked for by a few bytes: builtins.bytearray is no danger but for its size.
    data = b"\x80\x02cbuiltins\nbytearray\n(L68719476736L\ntR."
    assert tried(data, "m", MODULES).outcome.startswith("MemoryError")
