"""The encoder that comes with the package, run for real."""

import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from situs.errors import WeightsError
from situs.learning.artefacts import load, shipped
from situs.learning.versions import open_version
from situs.runtimes.encoder import MODEL, TOKENIZER, WINDOW_TOKENS, load_encoder

pytest.importorskip("onnxruntime")
pytest.importorskip("tokenizers")


@pytest.fixture(scope="module")
def encode():
    return load_encoder(open_version("encoder", None, None).folder)


def test_the_card_names_both_files():
    artefact = load(shipped("encoder"))
    assert sorted(artefact.card.files) == [MODEL, TOKENIZER]
    assert artefact.card.settings["window_tokens"] == WINDOW_TOKENS
    assert all(source.licence for source in artefact.card.sources)


def test_texts_become_unit_vectors(encode):
    found = encode(["what is my balance", "", "x" * 5000, "a lone \udc80 surrogate"])
    assert found.shape == (4, 384)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-4)


def test_no_texts_give_no_vectors(encode):
    assert len(encode([])) == 0


def test_a_paraphrase_is_nearer_than_another_wish(encode):
    asked, same, other = encode(
        ["how much money is in my account", "tell me my bank balance", "freeze my bank account"]
    )
    assert asked @ same > asked @ other


def test_a_vector_does_not_depend_on_its_neighbours_nor_on_case(encode):
    alone = encode(["Play some jazz"])[0]
    np.testing.assert_array_equal(encode(["", "play some JAZZ", "word " * 300])[1], alone)


def test_only_the_window_counts(encode):
    start = "word " * WINDOW_TOKENS
    first, second = encode([start + "jazz", start + "a balance"])
    np.testing.assert_array_equal(first, second)


def test_threads_share_it(encode):
    texts = [f"remind me at {hour}" for hour in range(8)]
    one_by_one = np.concatenate([encode([text]) for text in texts])
    with ThreadPoolExecutor(4) as threads:
        found = np.concatenate(list(threads.map(lambda text: encode([text]), texts)))
    np.testing.assert_array_equal(found, one_by_one)


@pytest.mark.parametrize("broken", [MODEL, TOKENIZER])
def test_a_broken_file_is_told_when_it_is_first_needed(tmp_path, broken):
    for name in (MODEL, TOKENIZER):
        shutil.copy(shipped("encoder") / name, tmp_path)
    (tmp_path / broken).write_bytes(b"neither")
    encode = load_encoder(tmp_path)
    with pytest.raises(WeightsError, match="cannot be loaded"):
        encode(["hello"])
