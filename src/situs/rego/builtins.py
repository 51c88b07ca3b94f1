"""The builtin functions a policy may call: deterministic, without effects, of bounded size.

What is missing here is missing on purpose: whatever reaches a network, a clock, a random source
or the process (`http.send`, `time.now_ns`, `rand.intn`, `uuid.rfc4122`, `opa.runtime`), whatever
prints (`print`, `trace`), what makes much out of little (`numbers.range`, `net.cidr_expand`), and
what OPA and the embedded engine do differently (`json.marshal`, `strings.count`); see
tests/conformance/policy/builtins.yaml.
"""

from __future__ import annotations

from typing import Final

_ALLOWED: Final = """
    abs ceil floor round count max min product sort sum
    array.concat array.reverse array.slice
    intersection union
    object.filter object.get object.keys object.remove object.subset object.union object.union_n
    concat contains endswith format_int indexof indexof_n lower upper replace split sprintf
    startswith substring trim trim_left trim_prefix trim_right trim_space trim_suffix
    strings.any_prefix_match strings.any_suffix_match strings.reverse
    regex.is_valid regex.match regex.replace regex.split regex.find_n
    regex.find_all_string_submatch_n
    glob.match
    bits.and bits.or bits.xor bits.negate bits.lsh bits.rsh
    to_number is_array is_boolean is_null is_number is_object is_set is_string type_name
    json.is_valid json.unmarshal json.filter json.remove
    base64.decode base64.encode base64.is_valid base64url.decode base64url.encode
    hex.decode hex.encode urlquery.decode urlquery.encode
    semver.compare semver.is_valid
    net.cidr_contains net.cidr_is_valid
    time.add_date time.clock time.date time.diff time.format time.parse_ns
    time.parse_rfc3339_ns time.parse_duration_ns time.weekday
    units.parse units.parse_bytes
    graph.reachable
    """
ALLOWED: Final = frozenset(_ALLOWED.split())

INSTEAD: Final = {
    "time.now_ns": "use input.time, or time.parse_rfc3339_ns(input.time)",
    "http.send": "a policy decides from input and its own rules alone",
    "print": "leave it out; see `situs policy eval`",
    "trace": "leave it out; see `situs policy eval`",
    **dict.fromkeys(
        ("glob.quote_meta", "json.marshal", "strings.count", "strings.replace_n"),
        "engines do not agree on what it says",
    ),
    "opa.runtime": "a policy decides from input and its own rules alone",
}
"""What to do instead of the forbidden ones that people reach for."""

OUTSIDE: Final = frozenset(
    ["crypto", "http", "io", "opa", "providers", "rand", "rego", "uuid", "yaml"]
)
"""First words of builtin names of which none is allowed."""

NAMESPACES: Final = OUTSIDE | {name.split(".")[0] for name in ALLOWED if "." in name}
"""First words of builtin names: an import may not take them over."""
