"""What is refused before llama.cpp is started, and how it is started."""

import os
import subprocess
import sys

import msgspec
import pytest

from situs.errors import WeightsError
from situs.runtimes.llama_cpp import check_loadable, default_threads, llama_spec
from situs.runtimes.llama_server import KEY
from situs.runtimes.spec import PORT, Facts, facts_of
from situs.runtimes.weights import Located, load_lock, locate

NAME = "SmolLM2-135M-Instruct.Q4_1"
PLENTY = 1 << 40


def test_weights_are_located_by_their_name_in_the_lock(tmp_path):
    located = locate(NAME, tmp_path)
    assert located == Located(load_lock()[NAME], tmp_path / "SmolLM2-135M-Instruct.Q4_1.gguf")
    with pytest.raises(WeightsError, match="no weights named 'other'"):
        locate("other", tmp_path)


def test_weights_that_are_missing_or_wrong_are_refused(tmp_path):
    located = locate(NAME, tmp_path)
    with pytest.raises(WeightsError, match="are missing"):
        check_loadable(located, 1024, 1, PLENTY)
    located.path.write_bytes(b"GGUF")
    with pytest.raises(WeightsError, match="not what the models lock says"):
        check_loadable(located, 1024, 1, PLENTY)


def test_a_model_that_does_not_fit_is_refused_with_both_numbers(tmp_path):
    located = locate(NAME, tmp_path)
    needed = int(located.weights.size * 1.2) + 2 * 4096 * located.weights.kv_bytes_per_token
    with pytest.raises(WeightsError, match=r"needs about 307 MB .* and 307 MB of memory"):
        check_loadable(located, 4096, 2, needed - 1)
    with pytest.raises(WeightsError, match="are missing"):  # it fits; the next check refuses
        check_loadable(located, 4096, 2, needed)


def test_a_context_that_the_model_was_not_trained_for_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="trained for 8192 tokens"):
        check_loadable(locate(NAME, tmp_path), 8193, 1, PLENTY)


def test_the_check_of_a_spec_counts_the_context_of_every_slot(tmp_path):
    weights = msgspec.structs.replace(load_lock()[NAME], kv_bytes_per_token=1 << 40)
    spec = llama_spec("m", Located(weights, tmp_path / "x"), context_tokens=100, parallel=3)
    assert spec.check is not None
    with pytest.raises(WeightsError, match="with 300 tokens of context"):
        spec.check()


def test_the_key_travels_in_the_environment_and_differs_each_time(tmp_path):
    one, two = (llama_spec("m", locate(NAME, tmp_path), context_tokens=512) for _ in range(2))
    assert one.api_key != two.api_key
    assert len(one.api_key) >= 32
    assert one.env == {KEY: one.api_key}
    assert one.api_key not in " ".join(one.argv)
    assert PORT in one.argv
    assert 1 <= default_threads() <= (os.cpu_count() or 1)


def test_a_server_without_a_key_does_not_start():
    words = [
        "--model",
        "x",
        "--alias",
        "x",
        "--context",
        "1",
        "--parallel",
        "1",
        "--threads",
        "1",
        "--port",
        "1",
    ]
    done = subprocess.run(
        [sys.executable, "-P", "-m", "situs.runtimes.llama_server", *words],
        env={name: value for name, value in os.environ.items() if name != KEY},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "would answer anyone" in done.stderr


def test_without_llama_cpp_the_extra_is_named(tmp_path):
    script = (
        "import sys\n"
        "from importlib.abc import MetaPathFinder\n"
        "class Hide(MetaPathFinder):\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'xllamacpp': raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Hide())\n"
    )
    server = (
        "import os; os.environ['SITUS_RUNTIME_KEY'] = 'k'\n"
        "from situs.runtimes.llama_server import main\n"
        "words = '--model x --alias x --context 1 --parallel 1 --threads 1 --port 1'\n"
        "sys.exit(main(words.split()))\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", script + server],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "install the extra local" in done.stderr


def test_props_are_read_into_facts_and_anything_else_is_refused():
    props = {
        "default_generation_settings": {"n_ctx": 2048, "params": {}},
        "total_slots": 2,
        "model_path": "m.gguf",
        "build_info": "b1",
    }
    found = facts_of(msgspec.json.encode(props), "xllamacpp 1")
    assert found == Facts(2048, "m.gguf", 2, "xllamacpp 1 b1")
    for body in (
        b"",
        b"null",
        b"{}",
        b"<html>",
        msgspec.json.encode({**props, "total_slots": "2"}),
    ):
        assert facts_of(body, "") is None
