"""What is refused before an ONNX model is loaded; no model needed."""

import hashlib
import subprocess
import sys

import msgspec
import pytest

from situs.errors import OperatorError, WeightsError
from situs.runtimes.onnx import check_onnx, onnx_spec
from situs.runtimes.weights import Located, load_lock

FILE, TOKENIZER = "all-MiniLM-L6-v2.int8", "all-MiniLM-L6-v2.tokenizer"
BODY = b"not a model"


def spec(folder, **fields):
    settings = {"context_tokens": 256, "dimensions": 384, **fields}
    return onnx_spec(FILE, TOKENIZER, folder, **settings)


@pytest.fixture
def tiny(tmp_path):
    """Files that are what their entries say, but no model."""
    found = spec(tmp_path)

    def entry(located):
        located.path.write_bytes(BODY)
        facts = {"size": len(BODY), "sha256": hashlib.sha256(BODY).hexdigest()}
        return Located(msgspec.structs.replace(located.weights, **facts), located.path)

    return msgspec.structs.replace(
        found, weights=entry(found.weights), tokenizer=entry(found.tokenizer)
    )


def test_names_become_files_of_the_models_directory(tmp_path):
    found = spec(tmp_path, threads=3)
    assert found.weights == Located(load_lock()[FILE], tmp_path / f"{FILE}.onnx")
    assert found.tokenizer.path == tmp_path / f"{TOKENIZER}.json"
    assert found.threads == 3
    assert len({found, spec(tmp_path, threads=3), spec(tmp_path)}) == 2


def test_a_name_that_the_lock_does_not_have_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="Did you mean 'all-MiniLM-L6-v2\\.tokenizer'"):
        onnx_spec(FILE, "minilm.tokenizer", tmp_path, context_tokens=1, dimensions=1)


def test_missing_files_say_how_to_get_them(tmp_path):
    with pytest.raises(WeightsError, match=f"{FILE} are missing") as caught:
        check_onnx(spec(tmp_path))
    assert f"situs models pull {FILE}" in caught.value.advice


def test_files_of_other_kinds_are_refused(tmp_path):
    for file, tokenizer in ((TOKENIZER, TOKENIZER), (FILE, FILE)):
        swapped = onnx_spec(file, tokenizer, tmp_path, context_tokens=256, dimensions=384)
        with pytest.raises(WeightsError, match="is a file of kind"):
            check_onnx(swapped)


def test_a_context_longer_than_trained_for_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="trained for 256 tokens of context, not for 257"):
        check_onnx(spec(tmp_path, context_tokens=257))


def test_a_model_that_does_not_fit_into_memory_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="needs about 206 MB, and 100 MB of memory"):
        check_onnx(spec(tmp_path), free=100_000_000)


@pytest.mark.parametrize("part", ["weights", "tokenizer"])
def test_a_file_with_another_digest_is_refused(tiny, part):
    check_onnx(tiny)
    getattr(tiny, part).path.write_bytes(BODY[:-1] + b"!")
    with pytest.raises(WeightsError, match="not what the models lock says"):
        check_onnx(tiny)


def test_a_right_file_that_is_no_model_is_an_error_that_names_it(tiny):
    with pytest.raises(WeightsError, match="int8 cannot be loaded"):
        tiny.load()


def test_a_missing_package_is_named_with_the_command_that_installs_it(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [])
    for name in ("numpy", "onnxruntime", "tokenizers"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(OperatorError, match="lacks numpy, onnxruntime, tokenizers") as caught:
        check_onnx(spec(tmp_path))
    assert "pip install -e '.[local]'" in caught.value.advice


def test_whoever_has_no_such_model_imports_none_of_its_packages():
    script = (
        "import sys, situs.app, situs.backends.onnx_embeddings, situs.runtimes.onnx;"
        "print({'numpy', 'onnxruntime', 'tokenizers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr
