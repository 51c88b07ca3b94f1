"""The configuration as values: every setting, its meaning, its default.

The published JSON schema and docs/reference/configuration.md are made from this file.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from situs.config.aims import Aims, Tenant
from situs.config.analysis import Analysis
from situs.config.data import DataSet
from situs.config.lists import WordList
from situs.config.policy import Policy
from situs.config.prices import Currency, Price
from situs.config.receipts import Receipts
from situs.config.routing import Route
from situs.config.terms import (
    Count,
    Country,
    Day,
    Family,
    Host,
    Kind,
    Name,
    Origin,
    Retention,
    SecretReference,
    Url,
    Words,
)
from situs.core.capability import CapabilityClass
from situs.core.fleet import KeyCustody, LocusKind, Role, TrainingUse, Transit
from situs.core.label import Label
from situs.core.request import Modality, Service

Seconds = Annotated[float, Meta(ge=0)]


class _Section(Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Server(_Section, frozen=True, kw_only=True):
    """Where the gateway listens."""

    host: Annotated[Host, Meta(description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="0 means any free port.")] = 7488
    max_body_mb: Annotated[
        int, Meta(ge=1, le=1024, description="Larger requests are refused with 413.")
    ] = 20
    max_held_mb: Annotated[
        int,
        Meta(ge=1, description="A worker holds so much of requests' bodies, then answers 503."),
    ] = 256
    max_connections: Annotated[
        int, Meta(ge=1, description="A worker keeps so many open; further ones are answered 503.")
    ] = 1000
    max_waiting: Annotated[
        int,
        Meta(ge=0, description="So many requests of a worker wait for a place, the urgent first."),
    ] = 256
    patience_s: Annotated[
        float, Meta(ge=0, description="A request waits so long for a place, then is answered 503.")
    ] = 10.0
    allowed_hosts: Annotated[
        tuple[Host, ...],
        Meta(description="Values of the Host header to accept besides loopback names."),
    ] = ()
    allowed_origins: Annotated[
        tuple[Origin, ...], Meta(description="Web origins whose pages may call the gateway.")
    ] = ()
    drain_s: Annotated[
        float, Meta(ge=0, description="How long running requests may take to end on a stop.")
    ] = 20.0
    require_key: Annotated[
        bool,
        Meta(description="Serve nobody without an API key on loopback either; beyond it, always."),
    ] = False


class Defaults(Aims, frozen=True, kw_only=True):
    """What holds where a request does not say otherwise."""

    label: Annotated[
        Label, Meta(description="The label of a request in which nothing is found.")
    ] = Label.PUBLIC
    unread_label: Annotated[
        Label,
        Meta(
            description="The least label of content that cannot be read: images, audio, files. "
            "Not public."
        ),
    ] = Label.INTERNAL
    first_byte_timeout_s: Annotated[
        float, Meta(gt=0, description="Wait this long for a stream to begin, then fail over.")
    ] = 60.0
    answer_timeout_s: Annotated[
        float, Meta(gt=0, description="Wait this long for a whole answer that is not streamed.")
    ] = 600.0
    stall_timeout_s: Annotated[
        float, Meta(gt=0, description="A stream silent for this long has stalled.")
    ] = 30.0
    stream_timeout_s: Annotated[
        float, Meta(gt=0, description="End a stream that goes on for longer than this.")
    ] = 3600.0
    connect_timeout_s: Annotated[
        float, Meta(gt=0, description="Wait this long for a connection, then fail over.")
    ] = 5.0
    probe_s: Annotated[
        float,
        Meta(
            ge=0,
            description="Ask owned standbys for one token so often, owned endpoints that failed "
            "every two seconds, and owned servers what they keep of prompts; 0: none of it.",
        ),
    ] = 60.0


class Labels(_Section, frozen=True, kw_only=True):
    """Changes to the table from kinds of findings to labels."""

    floors: Annotated[
        dict[Kind, Label],
        Meta(description="The least label of a request with a finding of this kind."),
    ] = {}
    lists: Annotated[
        dict[Kind, WordList], Meta(description="Own words and patterns, by a kind of their own.")
    ] = {}


class Locus(_Section, frozen=True, kw_only=True):
    """A place inference can happen, with the facts that policy uses."""

    kind: Annotated[LocusKind, Meta(description="What sort of place it is.")]
    jurisdiction: Annotated[
        Country, Meta(description="Whose law reaches the operator. ZZ: not known, matches no home.")
    ]
    owned: Annotated[bool, Meta(description="The organisation itself owns and runs the machines.")]
    region: Annotated[Words, Meta(description="Where the machines stand.")] = "unknown"
    operator: Annotated[Words, Meta(description="Who runs the machines.")] = "unknown"
    key_custody: Annotated[KeyCustody, Meta(description="Who holds the encryption keys.")] = (
        KeyCustody.UNKNOWN
    )
    retention: Annotated[
        Retention, Meta(description="How long the operator says it keeps requests.")
    ] = "unknown"
    training_use: Annotated[
        TrainingUse, Meta(description="Whether the operator trains on requests.")
    ] = TrainingUse.UNKNOWN
    egress_price: Annotated[float, Meta(ge=0, le=1e9, description="Money per MB sent there.")] = 0.0
    transit: Annotated[
        Transit, Meta(description="Whether somebody else passes on what is sent there.")
    ] = Transit.UNKNOWN
    evidence_until: Annotated[
        Day | None,
        Meta(description="The last day (UTC) on which this counts; then nothing is sent there."),
    ] = None


class Model(_Section, frozen=True, kw_only=True):
    """A model, wherever it is deployed."""

    capability: Annotated[CapabilityClass, Meta(description="How demanding its requests may be.")]
    context_tokens: Annotated[
        int, Meta(ge=1, description="The longest prompt and answer together.")
    ]
    file: Annotated[
        Name | None,
        Meta(description="The name of its weights in models.lock; for models that Situs runs."),
    ] = None
    modalities: Annotated[
        tuple[Modality, ...], Meta(min_length=1, description="What it can read.")
    ] = (Modality.TEXT,)
    serves: Annotated[
        tuple[Service, ...], Meta(min_length=1, description="What it can be asked for.")
    ] = (Service.CHAT, Service.COMPLETIONS)
    tokenizer: Annotated[
        Name | None,
        Meta(description="The name of its tokenizer in models.lock; for an `onnx` runtime."),
    ] = None
    dimensions: Annotated[
        Count | None,
        Meta(description="The length of its embeddings; for an `onnx` runtime."),
    ] = None
    family: Annotated[
        Family | None,
        Meta(description="Whose tokenizer it has, to estimate tokens; else what its name says."),
    ] = None
    tools: Annotated[bool, Meta(description="It can call tools.")] = False
    structured_output: Annotated[bool, Meta(description="It can answer to a JSON schema.")] = False
    licence: Annotated[Words, Meta(description="An SPDX identifier.")] = "unknown"
    origin: Annotated[Words, Meta(description="Who trained it.")] = "unknown"


class LlamaCpp(_Section, frozen=True, kw_only=True, tag_field="kind", tag="llama_cpp"):
    """A llama.cpp server that Situs starts and supervises on this machine."""

    threads: Annotated[
        Count | None,
        Meta(description="Threads that compute; without it, half of the processor's cores."),
    ] = None
    parallel: Annotated[
        int, Meta(ge=1, le=256, description="How many requests are computed at once.")
    ] = 1
    context_tokens: Annotated[
        Count | None,
        Meta(description="The context of each request; without it, the model's."),
    ] = None


class Onnx(_Section, frozen=True, kw_only=True, tag_field="kind", tag="onnx"):
    """An ONNX model that computes embeddings inside the gateway's own process."""

    threads: Annotated[Count, Meta(description="Threads that compute.")] = 1


class Endpoint(_Section, frozen=True, kw_only=True):
    """A model server that somebody else runs, reached by URL."""

    url: Annotated[Url, Meta(description="The base URL; for most servers it ends in /v1.")]
    wire: Annotated[Literal["openai"], Meta(description="The API it speaks.")] = "openai"
    key: Annotated[
        SecretReference | None,
        Meta(description="Where its API key is: env:NAME, or file:PATH beside this file."),
    ] = None
    model: Annotated[
        Words | None,
        Meta(description="The model's name there; without it, the name used here."),
    ] = None
    insecure: Annotated[
        bool, Meta(description="Allow http without TLS to a host that is not loopback.")
    ] = False
    networks: Annotated[
        tuple[Words, ...],
        Meta(
            description="The networks that its host name may mean, such as 10.1.0.0/16. Empty: "
            "public addresses, at an owned locus private ones too; never loopback or link-local."
        ),
    ] = ()
    no_retention: Annotated[
        dict[Words, bool | Words] | None,
        Meta(
            description="Members of a request that forbid the provider to keep it, such as "
            "`store: false`; set where a policy asks for `no_retention`."
        ),
    ] = None
    logprobs: Annotated[
        bool, Meta(description="It gives log-probabilities, by which a cascade judges answers.")
    ] = False


class Speed(_Section, frozen=True, kw_only=True):
    """What to expect before anything was measured."""

    ttft_s: Annotated[
        float, Meta(gt=0, description="Seconds to the first token of a short prompt.")
    ] = 0.5
    prompt_tokens_per_s: Annotated[float, Meta(gt=0, description="Reading speed.")] = 2000.0
    completion_tokens_per_s: Annotated[float, Meta(gt=0, description="Writing speed.")] = 40.0


class Cache(_Section, frozen=True, kw_only=True):
    """What the server keeps of prompts, one of the two; llama.cpp and vLLM say it themselves."""

    tokens: Annotated[
        Count | None, Meta(description="So many tokens of all prompts together, as vLLM does.")
    ] = None
    slots: Annotated[
        Count | None, Meta(description="The last prompt in each of its slots, as llama.cpp does.")
    ] = None


class Deployment(_Section, frozen=True, kw_only=True):
    """One model served at one locus: by a runtime or by an endpoint, exactly one of them."""

    model: Annotated[Name, Meta(description="A name under `models`.")]
    locus: Annotated[Name, Meta(description="A name under `loci`.")]
    runtime: Annotated[LlamaCpp | Onnx | None, Meta(description="Situs runs the model.")] = None
    endpoint: Annotated[Endpoint | None, Meta(description="The server runs elsewhere.")] = None
    price: Annotated[
        Price | None,
        Meta(
            description="What it costs; required at an owned locus. Else, without it, what the "
            "catalogue says of the endpoint's address and model."
        ),
    ] = None
    speed: Annotated[Speed, Meta(description="How fast it is expected to be.")] = Speed()
    max_in_flight: Annotated[
        int, Meta(ge=1, description="Requests sent there at the same time, at most.")
    ] = 64
    role: Annotated[
        Role,
        Meta(
            description="`standby`: kept warm for when active ones fail; `last_resort`: after all."
        ),
    ] = Role.ACTIVE
    probe_s: Annotated[
        Seconds | None,
        Meta(
            description="Ask it for one token so often; 0: never. Without it, what `defaults` "
            "say where it is owned; what is not owned is not asked."
        ),
    ] = None
    cache: Annotated[
        Cache | None,
        Meta(description="What its server keeps of prompts; without it, it is learned."),
    ] = None


class Log(_Section, frozen=True, kw_only=True):
    """What the process says on its standard error; never content."""

    format: Annotated[
        Literal["text", "json"], Meta(description="Lines of text, or one JSON object a line.")
    ] = "text"
    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Say this and what is worse."),
    ] = "warning"


class Otlp(_Section, frozen=True, kw_only=True):
    """An OpenTelemetry collector for traces. They leave for there, so it is an egress too."""

    endpoint: Annotated[Url, Meta(description="Its base URL; spans go to /v1/traces below it.")]
    headers: Annotated[
        dict[Name, SecretReference],
        Meta(description="Headers to send, such as its authorization, as references."),
    ] = {}
    sample: Annotated[
        float, Meta(ge=0, le=1, description="The share traced of requests without a traceparent.")
    ] = 1.0
    insecure: Annotated[
        bool, Meta(description="Allow http without TLS to a host that is not loopback.")
    ] = False


class Telemetry(_Section, frozen=True, kw_only=True):
    """What can be watched; metrics are always there."""

    log: Annotated[Log, Meta(description="What the process says.")] = Log()
    access_log: Annotated[bool, Meta(description="Log a line for every request.")] = False
    tenant_label: Annotated[
        bool, Meta(description="Count requests, tokens and cost by tenant, 200 of them at most.")
    ] = False
    otlp: Annotated[
        Otlp | None,
        Meta(
            description="Send traces; without it, to $OTEL_EXPORTER_OTLP_ENDPOINT if that is set."
        ),
    ] = None


class Config(_Section, frozen=True, kw_only=True):
    """The whole file."""

    version: Annotated[Literal[1], Meta(description="The version of this format.")]
    home: Annotated[
        Country | None,
        Meta(description="The organisation's jurisdiction; unset, no sovereign cloud matches it."),
    ] = None
    currency: Annotated[
        Currency | None,
        Meta(description="The currency; without it, that of the prices, which is one then."),
    ] = None
    server: Annotated[Server, Meta(description="Where the gateway listens.")] = Server()
    defaults: Annotated[Defaults, Meta(description="What holds unless a request says more.")] = (
        Defaults()
    )
    labels: Annotated[Labels, Meta(description="Kinds of findings and their labels.")] = Labels()
    analysis: Annotated[Analysis, Meta(description="How requests are understood.")] = Analysis()
    policy: Annotated[Policy, Meta(description="What judges requests.")] = Policy()
    receipts: Annotated[Receipts, Meta(description="Segments of the record.")] = Receipts()
    telemetry: Annotated[Telemetry, Meta(description="What can be watched.")] = Telemetry()
    loci: Annotated[dict[Name, Locus], Meta(description="Places, by name.")]
    models: Annotated[dict[Name, Model], Meta(description="Models, by name.")]
    deployments: Annotated[dict[Name, Deployment], Meta(description="Models at places, by name.")]
    tenants: Annotated[
        dict[Name, Tenant], Meta(description="How places are chosen for tenants, by name.")
    ] = {}
    routes: Annotated[dict[Name, Route], Meta(description="Kinds of requests, by name.")] = {}
    data: Annotated[
        dict[Name, DataSet], Meta(description="Data sets that requests draw on, by name.")
    ] = {}
