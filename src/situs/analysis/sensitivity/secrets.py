"""Private keys and credentials: keys, tokens, passwords in whatever they are written in."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections import Counter
from collections.abc import Callable

from situs.analysis.sensitivity.detector import RUN, Detector
from situs.analysis.sensitivity.doubts import is_token_of_code

_PLACEHOLDER = re.compile(
    r"(?i)[<{$%\[(*.]|x{4,}|\.\.\.|your|example|placeholder|changeme|change_me|redacted|"
    r"dummy|insert|replace|(?:my|the|some|a)?[_-]?(?:pass(?:word|wd)?|pwd|secret|token|key)s?$|"
    r"(?:api|secret|access)[_-]?key$|none$|null$|true$|false$|undefined$"
)
_SAMPLE = re.compile(
    r"(?i)example|sample|(.)\1{5}|0123456789|1234567890|abcdefghij|your|my[_-]|-here|placeholder|"
    r"dummy|redacted|changeme"
)
"""In a token whose prefix is right: nobody's."""

_BODY = re.compile(r"(?is)PRIVATE\W+KEY(?:\W+BLOCK)?(.*)END")
_FOUR = re.compile("[A-Za-z0-9+/]{4}")
_COMMON = re.compile(
    r"(?i)(?:p[a@]ss(?:w[o0]rd|wd|phrase)?|pwd|secret|admin|root|test(?:ing)?|user|demo|guest|qwerty|"
    r"letmein|welcome|change ?me|foo|bar|abc|hello|hunter|token|key)[-_]?[0-9]{0,4}[!.]?$"
)
"""What everybody writes where a password goes."""

_CODE = re.compile(
    r"[A-Za-z_][\w.]*[(\[]|[A-Za-z_]\w*\.[A-Za-z_]\w*(?:\.|$)|[A-Za-z_]\w*\)|process\.env|os\.|"
    r"-?\d{1,5}$"
)

_SENTENCE = frozenset(
    re.findall(
        r"\w+",
        "the and for that this are was were with you your used use when what which who how not can "
        "will should must has have from into its our their any words word phrase passphrase",
    )
)


def entropy(text: str) -> float:
    """Shannon entropy in bits per character."""
    size = len(text)
    return -sum(n / size * math.log2(n / size) for n in Counter(text).values())


def random_looking(bits: float) -> Callable[[str], bool | None]:
    """A check: letters and digits, and at least `bits` of entropy per character."""

    def check(text: str) -> bool | None:
        mixed = any(map(str.isdigit, text)) and any(map(str.isalpha, text))
        return None if mixed and entropy(text) >= bits else False

    return check


def is_assigned_secret(text: str) -> bool | None:
    """Drops placeholders, code, and words; keeps what someone might really use as a secret."""
    if _PLACEHOLDER.match(text) or _CODE.match(text) or _COMMON.match(text):
        return False
    if _SAMPLE.search(text):
        return False
    kinds = sum(
        any(map(test, text)) for test in (str.isdigit, str.islower, str.isupper, _is_symbol)
    )
    return None if kinds >= 2 and len(set(text)) >= 5 and entropy(text) >= 2.3 else False


def is_said_secret(text: str) -> bool | None:
    """For prose ("the password is ..."): a word alone is not enough, a digit must be in it."""
    value = text.rstrip(".!?")
    digits = any(map(str.isdigit, value))
    return is_assigned_secret(value) if digits and any(map(str.isalpha, value)) else False


def is_jwt(text: str) -> bool:
    """RFC 7519: the header is a JSON object that names an algorithm."""
    header = text.partition(".")[0]
    try:
        decoded = base64.urlsafe_b64decode(header + "=" * (-len(header) % 4))
    except (binascii.Error, ValueError):
        return False
    return decoded.startswith(b"{") and b'"alg"' in decoded


def is_basic(text: str) -> bool | None:
    """RFC 7617: base64 of `user:password`."""
    try:
        return True if b":" in base64.b64decode(text + "=" * (-len(text) % 4)) else None
    except (binascii.Error, ValueError):
        return False


def is_aws_secret(text: str) -> bool | None:
    kinds = (str.isupper, str.islower, str.isdigit)
    mixed = all(any(map(kind, text)) for kind in kinds)
    return None if mixed and entropy(text) >= 4.0 and not _SAMPLE.search(text) else False


def token(bits: float | None) -> Callable[[str], bool | None]:
    """A check: not what documentation shows, and with `bits`, also looking random."""
    random = None if bits is None else random_looking(bits)

    def check(text: str) -> bool | None:
        return False if _SAMPLE.search(text) else None if random is None else random(text)

    return check


def is_key_block(text: str) -> bool | None:
    """Something between header and footer, if both are there: documentation shows dots."""
    body = _BODY.search(text)
    if body is None:
        return None
    held = body[1]
    shown = len(held) < 80 and _SAMPLE.search(held)
    return False if shown or not _FOUR.search(held) else None


def is_url_password(text: str) -> bool | None:
    return False if _PLACEHOLDER.match(text) or len(text) < 2 else None


def is_phrase(text: str) -> bool | None:
    """Words in a row as a secret: none of those that make a sentence of them."""
    return False if _SENTENCE.intersection(text.lower().split()) else None


def _is_symbol(char: str) -> bool:
    return not char.isalnum()


def _token(name: str, pattern: str, bits: float | None = None) -> Detector:
    """A token that is one run."""
    return Detector(name, "credential", pattern, 0.95, check=token(bits), rough=RUN)


_TOKENS = (
    _token("aws_access_key_id", r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    _token("github_token", r"\bgh[pousr]_[A-Za-z0-9]{36,255}|\bgithub_pat_[A-Za-z0-9_]{22,255}"),
    _token("gitlab_token", r"\bgl(?:pat|ptt|dt|rt|cbt|ft|soat|agent|imt|oas)-[A-Za-z0-9_\-]{20,}"),
    _token("slack_webhook", r"hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9+/]{30,}"),
    _token(
        "stripe_key",
        r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{10,}|\bwhsec_[A-Za-z0-9+/]{24,}={0,2}",
        2.5,
    ),
    _token("google_key", r"\bAIza[0-9A-Za-z_\-]{35}|\bGOCSPX-[0-9A-Za-z_\-]{28}", 3.0),
    _token("google_token", r"\bya29\.[0-9A-Za-z_\-]{20,}", 3.0),
    _token("sk_key", r"\bsk-(?:[a-z]{2,12}-){0,2}[A-Za-z0-9_\-]{20,}", 3.3),
    _token("npm_token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    _token("pypi_token", r"\bpypi-AgE[A-Za-z0-9_\-]{50,}"),
    _token("huggingface_token", r"\b(?:hf_|api_org_)[A-Za-z0-9]{30,}"),
    _token("azure_key", r"(?i)\b(?:Account|SharedAccess)Key=[A-Za-z0-9+/]{40,}={0,2}"),
    _token("situs_key", r"\bsitus_[0-9a-f]{8}_[0-9A-Za-z]{43}\b"),
    _token("sendgrid_key", r"\bSG\.[A-Za-z0-9_\-]{16,32}\.[A-Za-z0-9_\-]{32,64}"),
    _token("telegram_token", r"\b[0-9]{8,10}:AA[A-Za-z0-9_\-]{32,34}"),
    _token("databricks_token", r"\bdapi[0-9a-f]{32}\b"),
)

_LOOSE_TOKENS = (
    Detector(
        "slack_token",
        "credential",
        r"\bxox[abeoprs]-[0-9A-Za-z\-]{10,}|\bxapp-[0-9]-[A-Za-z0-9\-]{20,}",
        0.95,
        check=token(None),
    ),
    Detector(
        "vendor_token",
        "credential",
        r"\b(?:gsk_|xai-|pplx-|r8_|lin_api_|ntn_|figd_|hv[sb]\.|glsa_|glc_|dckr_pat_|NRAK-|PMAK-|"
        r"dop_v1_|doo_v1_|dor_v1_|shpat_|shpca_|shppa_|shpss_|sq0[a-z]{3}-|dp\.pt\.|HRKU-|key-|"
        r"sbp_|rubygems_|dt0c01\.|EAAA|tskey-auth-|sntrys_|pul-|ATATT3)[A-Za-z0-9_\-=.]{24,}",
        0.95,
        check=token(3.0),
    ),
)
"""Tokens that may have dots in them, or be shorter."""

NAMES = (
    r"pass(?:word|wd|phrase|wort|code)|pwd|secret|api[_\-. ]?key|apikey|"
    r"(?:db|sql|user|root|admin|smtp|mail|ftp|redis|mongo|postgres|pg|ldap|ssh|login)_?pass\b|"
    r"access[_\-]?key|(?:auth|access|refresh|bearer|session)[_\-]?token|token|client[_\-]?secret|"
    r"private[_\-]?key|encryption[_\-]?key|signing[_\-]?key|credentials?|contrase[nñ]a|"
    r"mot de passe|kennwort"
)
_BLANK = r"[\s\x{a0}\x{2007}\x{202f}]"
_SAID = (
    r"(?i)\b(?:password|passphrase|passcode|passwort|kennwort|mot de passe|contrase[nñ]a|pin|"
    r"api key|secret|token)(?: code)?(?: (?:is|was|ist|lautet|est|es)|:)"
)
_PHRASES = r"(?i)\b(?:pass ?phrase|(?:seed|recovery|backup) phrase|mnemonic)(?: is)? ?[:=]"

_RULE = r"(?:-{4,6}|-{0,4}[\x{2010}-\x{2015}\x{2212}][\-\x{2010}-\x{2015}\x{2212}]{0,5})"
"""The dashes around a header, also as word processors set them."""

_LOOSE = r"[\s\x{a0}\x{2007}\x{202f}*]"
"""What stands between the words of a header: also hard spaces and the stars of Markdown."""

DETECTORS = (
    Detector(
        "private_key_block",
        "private_key",
        rf"(?is){_RULE}{_LOOSE}{{0,4}}BEGIN{_LOOSE}{{1,4}}(?:[A-Z0-9]+{_LOOSE}{{1,4}}){{0,4}}"
        rf"PRIVATE{_LOOSE}{{1,4}}KEY(?:{_LOOSE}{{1,4}}BLOCK)?{_LOOSE}{{0,4}}{_RULE}"
        rf"(?:.{{0,900}}?{_RULE}{_LOOSE}{{0,4}}END[^\n]{{0,60}}KEY(?:{_LOOSE}{{1,4}}BLOCK)?"
        rf"{_LOOSE}{{0,4}}{_RULE}|[A-Za-z0-9+/=\s\\]*)",
        0.95,
        check=is_key_block,
        gate=rf"(?i)BEGIN{_LOOSE}(?:[A-Z0-9]|{_LOOSE})*PRIVATE{_LOOSE}+KEY",
    ),
    Detector("putty_key", "private_key", r"(?i)PuTTY-User-Key-File-[0-9]:", 0.95),
    Detector(
        "openssh_key", "private_key", r"\bb3BlbnNzaC1rZXktdj[A-Za-z0-9+/=\s]*", 0.95, rough=RUN
    ),
    Detector(
        "bare_key",
        "private_key",
        r"\b(?:MII[A-Za-z0-9+/]{2,3}(?:g|w|Q|A)?IBAAKC|MII[A-Za-z0-9+/]{2}[A-Za-z0-9+/]?IBADAN|"
        r"MIIBV[A-Za-z0-9+/]IBADAN|MHcCAQEE|MHQCAQEE|MI(?:GH|GI|HuAg|G2)[A-Za-z0-9+/]{0,4}AgEAMB|"
        r"MC4CAQAwBQYDK2V|MFMCAQEwBQYDK2V)[A-Za-z0-9+/]{12}[A-Za-z0-9+/=\s\\]*",
        0.9,
        rough=RUN,
    ),
    Detector("age_key", "private_key", r"\bAGE-SECRET-KEY-1[0-9A-Z]{58}", 0.95, rough=RUN),
    *_TOKENS,
    *_LOOSE_TOKENS,
    Detector(
        "aws_secret_key",
        "credential",
        r"(?:^|[^A-Za-z0-9/+=])([A-Za-z0-9/+]{40})(?:$|[^A-Za-z0-9/+=])",
        0.8,
        check=is_aws_secret,
        context=r"(?i)\baws|amazonaws|\b(?:AKIA|ASIA)[A-Z2-7]{16}\b",
        reach=200,
    ),
    Detector(
        "jwt",
        "credential",
        r"\beyJ[A-Za-z0-9_\-]{8,}\.eyJ[A-Za-z0-9_\-]{4,}\.[A-Za-z0-9_\-]*",
        0.8,
        check=is_jwt,
    ),
    Detector(
        "bearer",
        "credential",
        r"(?i)\bbearer[ \t]+([A-Za-z0-9._~+/\-]{16,}=*)",
        0.8,
        check=random_looking(3.0),
    ),
    Detector(
        "basic",
        "credential",
        r"(?i)\bauthorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?basic[ \t]+([A-Za-z0-9+/]{6,}=*)",
        0.8,
        check=is_basic,
    ),
    Detector(
        "authorization",
        "credential",
        r"(?i)\b(?:authorization|x-api-key|x-auth-token)[\"']?\s{0,3}[:=]\s{0,3}[\"']?"
        r"(?:token |key |digest |apikey )?([A-Za-z0-9._~+/\-]{12,}=*)",
        0.8,
        check=random_looking(2.8),
    ),
    Detector(
        "url_password",
        "credential",
        r"(?i)\b[a-z][a-z0-9+.\-]{1,20}://[^\s/:@\"'<>]{0,64}:([^\s/@\"'<>]{1,128})@[a-z0-9\[]",
        0.85,
        check=is_url_password,
        gate=r"://[^\s/:@]*:[^\s/@]+@",
    ),
    Detector(
        "command_password",
        "credential",
        r"(?i)\bcurl\s(?:[^\n]{0,300}?\s)?(?:-u|--user)[\s=]{0,2}[\"']?[^\s:\"']{1,64}:"
        r"([^\s\"']{2,128})",
        0.75,
        check=is_url_password,
        gate=r"(?i)\bcurl\s[^\n]*-u[^\n]*:",
    ),
    Detector(
        "assigned_secret",
        "credential",
        rf"(?i)(?:{NAMES})[a-z0-9_]{{0,20}}[\"'\\`]{{0,3}}{_BLANK}{{0,3}}(?::=|=>|[:=])"
        rf"{_BLANK}{{0,3}}[\"'\\`]{{0,3}}([^\s\"'`<>,;\\]{{6,256}})",
        0.75,
        check=is_assigned_secret,
        doubt=is_token_of_code,
        gate=rf"(?i)(?:{NAMES})[a-z0-9_]*[\"'\\`]*{_BLANK}*(?::=|=>|[:=])",
    ),
    Detector(
        "tabled_secret",
        "credential",
        rf"(?i)(?:{NAMES})[a-z0-9_]{{0,20}}[ \t*`]{{0,20}}\|[ \t*`]{{0,20}}([^\s|`*]{{8,128}})"
        r"[ \t*`]{0,80}(?:\||\n|$)",
        0.6,
        check=is_said_secret,
        gate=rf"(?i)(?:{NAMES})[a-z0-9_]*[ \t*`]*\|",
    ),
    Detector(
        "said_secret",
        "credential",
        rf"{_SAID}{_BLANK}{{1,2}}(?:: ?)?[\"'`]?([^\s\"'`<>,;]{{6,128}})",
        0.6,
        check=is_said_secret,
        gate=rf"{_SAID}{_BLANK}",
    ),
    Detector(
        "secret_phrase",
        "credential",
        rf"{_PHRASES}\s{{0,3}}[\"'`]?([a-z]{{3,12}}(?: [a-z]{{3,12}}){{3,23}})[\"'`.]?\s*(?:\n|$)",
        0.6,
        check=is_phrase,
        gate=_PHRASES,
    ),
    Detector(
        "short_pin",
        "credential",
        r"(?i)\b(?:my pin(?: is)?|pin is|pin number is|pin:|cvv2?|cvc2?)"
        r"(?: is| code| number)?[ :=]{1,3}([0-9]{3,6})\b",
        0.6,
    ),
)
