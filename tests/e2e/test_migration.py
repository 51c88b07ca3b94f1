"""From a LiteLLM proxy's file to a gateway that serves the same names with the same keys."""

from __future__ import annotations

import subprocess

from tests.e2e import stage
from tests.fakes.openai_server import fake_process

KEY = "not-a-real-key-7c1e"
SOURCE = """\
model_list:
  - model_name: assistant
    litellm_params: {{model: openai/fake-model, api_base: {url}/v1, api_key: {key}}}
  - model_name: assistant
    litellm_params: {{model: bedrock/some-model}}
general_settings: {{master_key: {key}}}
"""


def test_an_imported_configuration_serves_with_the_same_name_and_key(tmp_path):
    with fake_process(tmp_path, key=KEY) as fake:
        (tmp_path / "config.yaml").write_text(SOURCE.format(url=fake.url, key=KEY))
        importing = stage.command(
            "config", "import", "litellm", "config.yaml", "--keys-dir", "keys"
        )
        made = subprocess.run(importing, cwd=tmp_path, capture_output=True, text=True, check=True)
        with stage.running(tmp_path, made.stdout) as gateway:
            answer = gateway.chat(model="assistant")
            assert answer.status == 200
            assert answer.headers["x-situs-locus"] == "this-machine"
            assert '"model":"fake-model"' in fake.requests()[-1]["body"]
    assert KEY not in made.stdout + made.stderr
    holders = {
        file.relative_to(tmp_path).as_posix()
        for file in tmp_path.rglob("*")
        if file.is_file() and KEY.encode() in file.read_bytes()
    }
    assert holders - {"fake.log"} == {"config.yaml", "keys/assistant-this-machine"}
