"""Tokenizers out of GGUF metadata and tokenizer.json, on small files made here."""

import json
import struct

import pytest

from situs.errors import WeightsError
from situs.runtimes import gguf
from situs.runtimes.tokenizers import at_hand, from_gguf, from_json

U32, F32, BOOL, STRING, ARRAY = 4, 6, 7, 8, 9


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def value(kind, what):
    if kind == STRING:
        return text(what)
    return struct.pack({U32: "<I", F32: "<f", BOOL: "<?"}[kind], what)


def file(path, entries, version=3):
    """`entries`: (key, kind, value); a list is an array of that kind."""
    data = b"GGUF" + struct.pack("<IQQ", version, 0, len(entries))
    for key, kind, what in entries:
        data += text(key)
        if isinstance(what, list):
            data += struct.pack("<IIQ", ARRAY, kind, len(what))
            data += b"".join(value(kind, one) for one in what)
        else:
            data += struct.pack("<I", kind) + value(kind, what)
    path.write_bytes(data)
    return path


LETTERS = [*"abcdefgh", "Ġ", "Ċ", "0", "1", ".", ",", "<", ">", "|"]
TEMPLATE = (
    "{% for m in messages %}{{ '<|im|>' + m['role'][:1] + m['content'] }}{% endfor %}"
    "{% if tools %}{{ tools | tojson }}{% endif %}{% if add_generation_prompt %}<|im|>{% endif %}"
)


def byte_pairs(path, pre="smollm", **more):
    tokens = ["<|im|>", *LETTERS, "ab", "abc", "Ġa", "00", "cd"]
    entries = {
        "model": (STRING, "gpt2"),
        "pre": (STRING, pre),
        "tokens": (STRING, tokens),
        "token_type": (U32, [3] + [1] * (len(tokens) - 1)),
        "merges": (STRING, ["a b", "ab c", "Ġ a", "0 0", "c d"]),
        "bos_token_id": (U32, 0),
        **more,
    }
    made = [(f"tokenizer.ggml.{key}", *what) for key, what in entries.items()]
    return file(path, [*made, ("tokenizer.chat_template", STRING, TEMPLATE)])


def sentence_pieces(path, **more):
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    kinds = [2, 3, 3] + [6] * 256
    pieces = [*"▁abcd", "ab", "▁ab", "cd", "abcd"]
    scores = [0.0] * len(tokens) + [-9.0] * 5 + [-1.0, -2.0, -3.0, -4.0]
    entries = {
        "model": (STRING, "llama"),
        "tokens": (STRING, [*tokens, *pieces]),
        "scores": (F32, scores),
        "token_type": (U32, [*kinds, *[1] * len(pieces)]),
        "bos_token_id": (U32, 1),
        "eos_token_id": (U32, 2),
        "unknown_token_id": (U32, 0),
        **more,
    }
    return file(path, [(f"tokenizer.ggml.{key}", *what) for key, what in entries.items()])


@pytest.mark.parametrize(
    ("words", "tokens"),
    [
        ("abc", 1),
        (" abc", 2),  # the pairs merge in their order: a b, then ab c; the space stays
        ("abcd", 2),
        ("00", 2),  # single digits are cut apart before pairs are merged
        ("", 0),
        ("<|im|>abc", 2),
    ],
)
def test_byte_pairs_merge_in_the_order_of_the_file(tmp_path, words, tokens):
    assert from_gguf(byte_pairs(tmp_path / "m.gguf")).count(words) == tokens


def test_the_file_says_how_text_is_cut(tmp_path):
    assert from_gguf(byte_pairs(tmp_path / "m.gguf", pre="gpt-2")).count("00") == 1


@pytest.mark.parametrize(
    ("words", "tokens"),
    [
        ("ab", 1),  # a space is put before a text: ▁ab
        ("abcd", 2),  # ▁ab cd: the better score merges first
        ("ab ab", 2),
        ("é", 3),  # ▁ and two bytes
        ("", 0),
    ],
)
def test_sentence_pieces_merge_by_score_and_fall_back_to_bytes(tmp_path, words, tokens):
    assert from_gguf(sentence_pieces(tmp_path / "m.gguf")).count(words) == tokens


def test_no_space_is_put_first_where_the_file_says_so(tmp_path):
    plain = from_gguf(sentence_pieces(tmp_path / "m.gguf", add_space_prefix=(BOOL, False)))
    assert plain.count("abcd") == 1
    assert from_gguf(sentence_pieces(tmp_path / "n.gguf")).count("abcd") == 2


def test_a_chat_is_counted_as_its_template_renders_it(tmp_path):
    model = from_gguf(byte_pairs(tmp_path / "m.gguf"))
    # <|im|> a abc <|im|>: the role's first letter, the content, the beginning of the answer.
    assert model.chat([{"role": "abcd", "content": "c"}]) == 4
    parts = [{"role": "a", "content": [{"type": "text", "text": "bc"}]}]
    assert model.chat(parts) == 3
    assert model.chat([{"role": "a", "content": ""}], [{"a": 1}]) > 4


def test_a_first_token_counts_unless_the_template_writes_it(tmp_path):
    more = byte_pairs(tmp_path / "m.gguf", add_bos_token=(BOOL, True))
    assert from_gguf(more).chat([{"role": "a", "content": ""}]) == 3


def test_a_model_without_a_template_has_no_chat(tmp_path):
    with pytest.raises(WeightsError, match="no chat template"):
        from_gguf(sentence_pieces(tmp_path / "m.gguf")).chat([{"role": "user", "content": "a"}])


def test_a_template_that_refuses_says_so_without_content(tmp_path):
    path = byte_pairs(tmp_path / "m.gguf")
    path.write_bytes(path.read_bytes().replace(b"m['content']", b"m.content.no", 1))
    with pytest.raises(WeightsError, match="does not take these messages") as caught:
        from_gguf(path).chat([{"role": "user", "content": "secret words"}])
    assert "secret" not in str(caught.value)


def test_a_kind_of_tokenizer_that_is_not_known_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="of kind bert"):
        from_gguf(sentence_pieces(tmp_path / "m.gguf", model=(STRING, "bert")))
    with pytest.raises(WeightsError, match="cuts text in a way that is not known"):
        from_gguf(byte_pairs(tmp_path / "n.gguf", pre="next-year"))


@pytest.mark.parametrize(
    "broken",
    [
        {"token_type": (U32, [1])},
        {"merges": (STRING, ["a b", "nothing"])},
        {"merges": (STRING, ["x y"])},
        {"bos_token_id": (U32, 999)},
        {"tokens": (U32, [1, 2])},
    ],
)
def test_a_tokenizer_that_is_not_whole_is_refused(tmp_path, broken):
    with pytest.raises(WeightsError, match="is not whole"):
        from_gguf(byte_pairs(tmp_path / "m.gguf", **broken))


def test_only_the_wanted_keys_are_kept(tmp_path):
    path = file(tmp_path / "m", [("a.b", U32, 7), ("c.d", STRING, ["x", "y"]), ("e", BOOL, True)])
    assert gguf.metadata(path, lambda key: key != "e") == {"a.b": 7, "c.d": ["x", "y"]}


@pytest.mark.parametrize(
    "data",
    [b"", b"GGML" + bytes(40), b"GGUF" + struct.pack("<IQQ", 9, 0, 1), b"GGUF" + bytes(8)],
)
def test_what_is_no_gguf_file_is_refused(tmp_path, data):
    path = tmp_path / "m.gguf"
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="is not a GGUF file"):
        gguf.metadata(path, bool)


def test_a_file_cut_anywhere_is_refused_and_takes_no_vast_memory(tmp_path):
    whole = byte_pairs(tmp_path / "whole.gguf").read_bytes()
    path = tmp_path / "cut.gguf"
    for size in range(0, len(whole) - 1, 37):
        path.write_bytes(whole[:size])
        with pytest.raises(WeightsError):
            gguf.metadata(path, bool)
    path.write_bytes(whole[:24] + struct.pack("<Q", 1 << 60) + whole[32:])
    with pytest.raises(WeightsError):
        gguf.metadata(path, bool)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match="cannot be read"):
        from_gguf(tmp_path / "none.gguf")


def test_a_tokenizer_json_counts_without_special_tokens(tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(
        json.dumps(
            {
                "version": "1.0",
                "truncation": {
                    "max_length": 2,
                    "strategy": "LongestFirst",
                    "stride": 0,
                    "direction": "Right",
                },
                "padding": None,
                "added_tokens": [],
                "normalizer": None,
                "pre_tokenizer": {"type": "Whitespace"},
                "post_processor": None,
                "decoder": None,
                "model": {"type": "WordLevel", "vocab": {"a": 0, "?": 1}, "unk_token": "?"},
            }
        )
    )
    assert from_json(path).count("a b a") == 3
    path.write_text("{}")
    with pytest.raises(WeightsError, match="cannot be read as a tokenizer"):
        from_json(path)


def test_nothing_is_at_hand_in_an_empty_folder(tmp_path):
    assert at_hand(tmp_path) == {}


def test_what_is_at_hand_is_verified_before_it_counts(tmp_path):
    (tmp_path / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(b"GGUF")
    with pytest.raises(WeightsError, match="not what the models lock says"):
        at_hand(tmp_path)["smollm2"]("a")
