"""Where the preset `mcp_python_sdk` answers differently from the SDK on purpose.

Rows are those of the crate's list of deviations (D1 to D31). Every entry decides from the *request* whether it applies,
never from the answers, and says how our answer must look then. An entry that explains no difference in a run fails
the run, as does a difference that no entry explains.
"""

import base64
import binascii
import re
from dataclasses import dataclass, replace
from typing import Callable
from urllib.parse import unquote_plus, unquote_to_bytes

from wire import Answer, Request

# The bounds of the layer (`Limits`), which the preset does not widen.
BODY_LIMIT = 64 * 1024
PARAMETER_LIMIT = 1000
CREDENTIAL_LIMIT = 8 * 1024

FORM = b"application/x-www-form-urlencoded"
MARKS = (b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe")
UTF_8 = (b"charset=utf-8", b'charset="utf-8"')
CREDENTIALS = (b"client_id", b"client_secret", b"client_assertion", b"client_assertion_type")
DESCRIPTION = re.compile(r"[\x20-\x21\x23-\x5B\x5D-\x7E]*")


class View:
    """A request as the SDK reads it, with the bytes behind every value."""

    def __init__(self, request, registry):
        self.request = request
        self.registry = registry
        types = request.values(b"content-type")
        self.media = types[0].partition(b";")[0].strip().lower() if types else b""
        self.pairs = []
        if self.media == FORM:
            for pair in request.body.split(b"&"):
                name, _, value = pair.partition(b"=")
                if pair:
                    self.pairs.append((_bytes(name), value))
        self.authorization = request.values(b"authorization")
        # The SDK looks up the last `client_id`, in its own decoding.
        presented = self.last(b"client_id")
        self.client = None if presented is None else registry.get(unquote_plus(presented.decode("latin-1")))

    def last(self, name):
        values = [value for key, value in self.pairs if key == name]
        return values[-1] if values else None

    def credential_values(self):
        return [value for name, value in self.pairs if name in CREDENTIALS]

    def registered(self, method):
        return self.client is not None and self.client.get("token_endpoint_auth_method") == method

    def basic_token(self):
        """What follows the scheme, where the SDK reads it: only for a client that is registered for Basic."""
        if not self.registered("client_secret_basic") or not self.authorization:
            return None
        value = self.authorization[0]
        return value[6:] if value[:6].lower() == b"basic " else None

    def basic_bytes(self):
        """The token in the SDK's lenient decoding."""
        token = self.basic_token()
        try:
            return None if token is None else base64.b64decode(token.decode("ascii"))
        except (ValueError, binascii.Error):
            return None


def _bytes(value):
    return unquote_to_bytes(value.replace(b"+", b" "))


def _is_text(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _has_controls(data):
    return any(byte < 0x20 or byte == 0x7F for byte in data)


def refused(view, sdk, ours, ask):
    """A credential that the preset does not accept is answered as the SDK answers a failed authentication."""
    return (ours.status, ours.error, ours.client) == (401, failure(view.request), None)


def failure(request):
    return "unauthorized_client" if request.path == b"/revoke" else "invalid_client"


def refused_as_oauth_error(*statuses):
    def check(view, sdk, ours, ask):
        return ours.status in statuses and ours.error == "invalid_request" and ours.client is None

    return check


def as_the_sdk_answers(rewrite):
    """Our answer must be the SDK's answer to the same request in the spelling that the SDK understands."""

    def check(view, sdk, ours, ask):
        request = rewrite(view)
        answer = ask(request)
        # A second difference may remain behind the first.
        return answer.facts() == ours.facts() or explain(request, view.registry, answer, ours, ask) is not None

    return check


# Basic credentials.


def _other_scheme_case(view):
    return view.basic_token() is not None and not view.authorization[0].startswith(b"Basic ")


def _usual_scheme_case(view):
    def spelled(name, value):
        return (name, b"Basic " + value[6:]) if name.lower() == b"authorization" else (name, value)

    return replace(view.request, headers=tuple(spelled(*header) for header in view.request.headers))


def _lenient_base64(view):
    data = view.basic_bytes()
    # RFC 9110 section 11.4 allows several spaces behind the scheme, so they belong to no difference.
    return data is not None and base64.b64encode(data) != view.basic_token().lstrip(b" ")


def _replaced_in_basic(view):
    data = view.basic_bytes()
    # Escapes only: the SDK decodes the raw bytes strictly, as we do.
    return data is not None and _is_text(data) and not all(map(_is_text, map(unquote_to_bytes, data.split(b":", 1))))


def _controls_in_basic(view):
    data = view.basic_bytes()
    return data is not None and _has_controls(unquote_to_bytes(data))


# Forms.


def _replaced_in_form(view):
    return any(not _is_text(_bytes(value)) for value in view.credential_values())


def _controls_in_form(view):
    return any(_has_controls(_bytes(value)) for value in view.credential_values())


def _begins_with_mark(view):
    return view.media == FORM and view.request.body.startswith(MARKS)


def _raw_bytes(view):
    return any(byte >= 0x80 for value in view.credential_values() for byte in value)


def _raw_bytes_escaped(view):
    body = re.sub(rb"[\x80-\xff]", lambda byte: b"%%%02X" % byte[0][0], view.request.body)
    return replace(view.request, body=body)


def _over_a_limit(view):
    request = view.request
    long = [*view.authorization, *view.credential_values()]
    return (
        len(request.body) > BODY_LIMIT
        or request.body.count(b"&") >= PARAMETER_LIMIT
        or any(len(value) > CREDENTIAL_LIMIT for value in long)
    )


def _coded(view):
    return any(value.lower() != b"identity" for value in view.request.values(b"content-encoding"))


def _other_charset(view):
    parameters = view.request.values(b"content-type")[0].lower().split(b";")[1:] if view.media == FORM else []
    return any(parameter.strip() not in UTF_8 for parameter in parameters if b"charset" in parameter)


def _unclean_description(view, sdk, ours, ask):
    return refused(view, sdk, ours, ask) and DESCRIPTION.fullmatch(ours.description or "") is not None


def _no_secret_parameter(view):
    return view.request.path == b"/revoke" and view.last(b"client_secret") is None


def _authenticated_the_same(view, sdk, ours, ask):
    return ours.status == 200 and (ours.client, ours.method) == (sdk.client, sdk.method)


@dataclass(frozen=True)
class Difference:
    row: str
    why: str
    applies: Callable[[View], bool]
    check: Callable[[View, Answer, Answer, Callable[[Request], Answer]], bool]


# In the order in which the layer looks at a request, so that a difference counts for the reason that it meets first. The
# rows that are never reproduced keep the answer of the default: 400 where the request is malformed, 401 otherwise.
DIFFERENCES = [
    Difference(
        "R1",
        "a request that is not POST is refused as an OAuth error; the SDK's router answers before its authenticator",
        lambda view: view.request.method != b"POST",
        refused_as_oauth_error(405),
    ),
    Difference(
        "R16",
        "a body with a content coding is not parsed as if it had none",
        _coded,
        refused_as_oauth_error(415),
    ),
    Difference(
        "D30",
        "a form in another charset than UTF-8 is refused; the SDK does not look at the charset",
        _other_charset,
        refused_as_oauth_error(415),
    ),
    Difference(
        "D29",
        "a body that ends early is refused; in the SDK it is an unhandled exception, and no answer",
        lambda view: view.request.cut > 0,
        lambda view, sdk, ours, ask: sdk.status == 0 and refused_as_oauth_error(400)(view, sdk, ours, ask),
    ),
    Difference(
        "D20",
        "multipart/form-data is no form",
        lambda view: view.media == b"multipart/form-data",
        refused,
    ),
    Difference(
        "D27",
        "limits are lower, and exceeding them is an OAuth error",
        _over_a_limit,
        refused_as_oauth_error(400, 413),
    ),
    Difference(
        "D7b",
        "several Authorization lines are a malformed request",
        lambda view: len(view.authorization) > 1,
        refused_as_oauth_error(400),
    ),
    Difference(
        "D31",
        "a form that begins with a byte order mark is malformed; to the SDK it is a part of the first name",
        _begins_with_mark,
        refused_as_oauth_error(400),
    ),
    Difference(
        "D5 form",
        "bytes that are not UTF-8 are not replaced by U+FFFD in a form",
        _replaced_in_form,
        refused_as_oauth_error(400),
    ),
    Difference(
        "D25 controls in form",
        "control characters in a credential parameter",
        _controls_in_form,
        refused_as_oauth_error(400),
    ),
    Difference(
        "D25 raw bytes",
        "unescaped bytes above 0x7F in a form are UTF-8, not Latin-1",
        _raw_bytes,
        as_the_sdk_answers(_raw_bytes_escaped),
    ),
    Difference(
        "D3",
        "base64 is strict: no junk, spaces, auth-params, text behind the padding or trailing bits",
        _lenient_base64,
        refused,
    ),
    Difference(
        "D5 Basic",
        "bytes that are not UTF-8 are not replaced by U+FFFD in Basic credentials",
        _replaced_in_basic,
        refused,
    ),
    Difference(
        "D25 controls in Basic",
        "control characters in Basic credentials",
        _controls_in_basic,
        refused,
    ),
    Difference(
        "D2",
        "the scheme name is case-insensitive",
        _other_scheme_case,
        as_the_sdk_answers(_usual_scheme_case),
    ),
    Difference(
        "D22",
        "an authenticated revocation without the parameter client_secret is not refused",
        _no_secret_parameter,
        _authenticated_the_same,
    ),
    Difference(
        "D23",
        "error_description keeps to the characters of RFC 6749 section 5.2",
        lambda view: view.client is not None
        and not DESCRIPTION.fullmatch(view.client.get("token_endpoint_auth_method") or ""),
        _unclean_description,
    ),
]

# Rows of the list that no request over HTTP can show, and why.
NOT_ON_THE_WIRE = {
    "D24": "hyper_echo has no metadata document; that the SDK's leaves out `none` is checked",
    "D26": "how long an answer takes is not compared",
    "D28": "this release of the SDK's form parser compares media types case-insensitively, as we do",
}


def explain(request, registry, sdk, ours, ask):
    """The entry behind a difference, or `None`."""
    view = View(request, registry)
    for difference in DIFFERENCES:
        if difference.applies(view) and difference.check(view, sdk, ours, ask):
            return difference
    return None
