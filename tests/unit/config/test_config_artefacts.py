"""Versions of artefacts that a configuration names."""

from __future__ import annotations

import pytest
from tests.unit.learning.small import trained

from situs.config.artefacts import check_artefacts
from situs.config.check import check_file
from situs.config.load import default_config, load, parse
from situs.errors import ConfigError

TEXT = """\
version: 1
loci:
  rack: {kind: on_prem, jurisdiction: DE, owned: false}
models:
  m: {capability: small, context_tokens: 4096}
deployments:
  near: {model: m, locus: rack, endpoint: {url: http://127.0.0.1:9/v1}}
analysis:
  artefacts:
    length: %s
"""


def configured(tmp_path, reference):
    file = tmp_path / "situs.yaml"
    file.write_text(TEXT % reference)
    return load(file), file


def test_a_version_that_is_there_is_fine_with_and_without_its_digest(tmp_path):
    digest = trained(tmp_path).digest
    for reference in ("trained-1", f"trained-1@{digest[:16]}", f"trained-1@{digest}"):
        config, file = configured(tmp_path, reference)
        check_artefacts(config, tmp_path, file)
        assert check_file(file, {"SITUS_DATA": str(tmp_path)}).warnings == ()
    check_artefacts(default_config(), tmp_path, None)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("trained-2", "There is no version trained-2 of the artefact length; its versions are"),
        ("trained-1@" + "0" * 12, "The digest of length trained-1 is"),
    ],
)
def test_another_version_is_refused_with_file_and_line(tmp_path, reference, said):
    trained(tmp_path)
    config, file = configured(tmp_path, reference)
    with pytest.raises(ConfigError) as refused:
        check_artefacts(config, tmp_path, file)
    assert refused.value.message.startswith(f"{file}:10: analysis.artefacts.length: {said}")
    with pytest.raises(ConfigError, match=r"^the configuration:1: analysis\.artefacts\.length: "):
        check_artefacts(config, tmp_path, None)


def test_a_file_that_was_changed_is_refused(tmp_path):
    artefact = trained(tmp_path)
    (artefact.folder / "arrays.npz").write_bytes(b"other")
    config, file = configured(tmp_path, "trained-1")
    with pytest.raises(ConfigError, match=r":10: analysis\.artefacts\.length: .*\(SHA-256 dif"):
        check_artefacts(config, tmp_path, file)


def test_a_check_without_the_data_only_warns(tmp_path):
    _, file = configured(tmp_path, "trained-1")
    checked = check_file(file, {"SITUS_DATA": str(tmp_path)})
    (warning,) = checked.warnings
    assert (warning.line, warning.path) == (10, "analysis.artefacts.length")
    assert checked.config is not None


def test_one_with_senseless_settings_is_refused_with_file_and_line(tmp_path):
    trained(tmp_path, settings={"tasks": "code", "weights": {}})
    config, file = configured(tmp_path, "trained-1")
    with pytest.raises(ConfigError, match=r":10: .*length trained-1 .*settings\.tasks: expected"):
        check_artefacts(config, tmp_path, file)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("tusk: trained-1", "expected one of capability, .* task, tokens"),
        ("length: ../x", "expected a version such as trained-1"),
        ("length: trained-1@12", "expected a version such as trained-1"),
    ],
)
def test_what_is_no_head_or_no_version_is_refused(line, said):
    with pytest.raises(ConfigError, match=said):
        parse(TEXT.replace("length: %s", line))
