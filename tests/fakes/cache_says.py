"""What real servers say of their caches, in short; see `openai_answers.Switch.says`."""

from __future__ import annotations

import json


def llama_cpp(
    slots: int = 4, context: int = 1024, marker: str = "a", task: int = 0
) -> dict[str, str]:
    """`marker` is another after every start, and `task` the last that it had."""
    settings = {"params": {"seed": 1}, "n_ctx": context}
    props = {
        "default_generation_settings": settings,
        "total_slots": slots,
        "model_alias": "small",
        "media_marker": f"<__media_{marker}__>" if marker else "<__media__>",
        "chat_template": "{{ messages }}",
        "build_info": "b0-unknown",
    }
    idle = {"n_ctx": context, "speculative": False, "is_processing": False}
    said = [{"id": k, **idle} for k in range(slots)]
    if task:
        said[-1] |= {"id_task": task, "n_prompt_tokens": 35}
    return {"/props": json.dumps(props), "/slots": json.dumps(said)}


def vllm(
    blocks: int | None = 2340, read: float = 0.0, engines: int = 1, **labels: str
) -> dict[str, str]:
    """Labels that are not set there are written `None`."""
    lines = ["# TYPE vllm:cache_config_info gauge"]
    for engine in range(engines):
        named = {
            "block_size": "16",
            "cache_dtype": "auto",
            "enable_prefix_caching": "True",
            "engine": str(engine),
            "num_cpu_blocks": "None",
            "num_gpu_blocks": str(blocks),
            **labels,
        }
        inside = ",".join(f'{name}="{value}"' for name, value in named.items())
        lines.append(f"vllm:cache_config_info{{{inside}}} 1.0")
    lines.append("# TYPE vllm:prompt_tokens_total counter")
    lines.append(f'vllm:prompt_tokens_total{{engine="0",model_name="m"}} {read!r}')
    lines.append('vllm:prompt_tokens_created{engine="0",model_name="m"} 1.7951e+09')
    return {"/metrics": "\n".join(lines) + "\n"}
