"""List prices of the thirteen models: US dollars for a million tokens of prompt and of answer.

From the data of the package genai-prices 0.2.3 (MIT) as of 2026-11-22, where providers link their
price pages. Two sets: `maker` is the maker's own price, else Together AI's (together.ai/pricing),
else OpenRouter's; `lowest` is the lowest of all providers of that package for just this model.
"""

from __future__ import annotations

_TOGETHER = {
    "Mistral-7B-Instruct-v0.2": (0.20, 0.20),
    "Qwen1.5-7B-Chat": (0.20, 0.20),  # listed there as Qwen1.5-7B
    "Meta-Llama-3_1-8B-Instruct": (0.18, 0.18),
    "Yi-6b-Chat": (0.20, 0.20),  # listed as Yi-6B
    "mathstral-7B": (0.20, 0.20),  # not listed: the price there of the other models of 7B
    "Mixtral-8x7B-Instruct-v0.1": (0.90, 0.90),
    "Qwen1.5-72B-Chat": (0.90, 0.90),  # listed as Qwen1.5-72B
    "Meta-Llama-3_1-70B-Instruct": (0.88, 0.88),
}
_MAKER = {
    **_TOGETHER,
    "Phi-3-mini-4k-instruct": (0.13, 0.52),  # Azure, for the variant with 128k
    "c4ai-command-r-v01": (0.50, 1.50),  # OpenRouter; Cohere lists only the successor
    "jamba-1.5-large": (2.00, 8.00),  # OpenRouter
    "gemini-1.5-flash-002": (0.075, 0.30),  # Google, prompts up to 128k
    "gemini-1.5-pro-002": (1.25, 5.00),  # likewise
}
_LOWEST = {
    **_MAKER,
    "Phi-3-mini-4k-instruct": (0.10, 0.10),  # OpenRouter
    "Mistral-7B-Instruct-v0.2": (0.15, 0.20),  # AWS
    "Meta-Llama-3_1-8B-Instruct": (0.02, 0.05),  # Novita
    "Mixtral-8x7B-Instruct-v0.1": (0.08, 0.24),  # OpenRouter
    "Meta-Llama-3_1-70B-Instruct": (0.34, 0.39),  # Novita
}

PRICES: dict[str, dict[str, tuple[float, float]]] = {"maker": _MAKER, "lowest": _LOWEST}
