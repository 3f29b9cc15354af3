"""Which rows of the crate's list of deviations a request is about, so that a row that no request touches fails the run.

A row counts from the request and the SDK's answer alone; whether the answers agree is decided elsewhere.
"""

import base64
from urllib.parse import unquote_to_bytes

import cases
import differences

SECRET_METHODS = ("client_secret_basic", "client_secret_post")


def _presents_basic(view):
    return bool(view.authorization) and view.authorization[0][:6].lower() == b"basic "


def _basic_bytes(view):
    """The bytes behind Basic, whoever the client is."""
    try:
        return base64.b64decode(view.authorization[0][6:], validate=True) if _presents_basic(view) else b""
    except ValueError:
        return b""


def _method(view):
    return view.client.get("token_endpoint_auth_method") if view.client else None


def _stored(view):
    return view.client.get("client_secret") if view.client else None


def _expiry(view):
    return view.client.get("client_secret_expires_at") if view.client and _stored(view) else None


def _secret_is_right(view):
    secret = _stored(view)
    if not secret:
        return False
    if _method(view) == "client_secret_post":
        presented = view.last(b"client_secret")
        return presented is not None and unquote_to_bytes(presented.replace(b"+", b" ")) == secret.encode()
    return unquote_to_bytes(_basic_bytes(view).partition(b":")[2]) == secret.encode()


def _places(view):
    names = {name for name, _ in view.pairs}
    return bool(view.authorization) + (b"client_secret" in names) + (b"client_assertion" in names)


def _failed(sdk):
    return sdk.status == 401


def _says(text):
    return lambda view, sdk: text in (sdk.description or "")


def _charset(view):
    types = view.request.values(b"content-type")
    return bool(types) and b";" in types[0] and types[0].lower().startswith(b"application/x-www-form-urlencoded;") and not (
        types[0].startswith(b"application/x-www-form-urlencoded")
    )


ROWS = {
    "D1": lambda view, sdk: _presents_basic(view) and view.last(b"client_id") is None,
    "D2": lambda view, sdk: differences._other_scheme_case(view),
    "D3": lambda view, sdk: differences._lenient_base64(view),
    "D4": lambda view, sdk: view.registered("client_secret_basic") and b"+" in _basic_bytes(view) and sdk.status == 200,
    "D5": lambda view, sdk: differences._replaced_in_basic(view) or differences._replaced_in_form(view),
    "D6": lambda view, sdk: view.registered("client_secret_basic") and b"%zz" in _basic_bytes(view),
    "D7": lambda view, sdk: _places(view) > 1 and sdk.status == 200,
    "D7b": lambda view, sdk: len(view.authorization) > 1,
    "D8": lambda view, sdk: len({name for name, _ in view.pairs}) < len(view.pairs) and sdk.status == 200,
    "D9": lambda view, sdk: view.registered("client_secret_post") and _presents_basic(view) and _failed(sdk),
    "D10": lambda view, sdk: view.client is not None and _method(view) is None and _failed(sdk),
    "D11": lambda view, sdk: view.registered("none") and not _stored(view) and _places(view) and sdk.status == 200,
    "D12": lambda view, sdk: view.registered("none") and _stored(view) and _failed(sdk),
    "D13": _says("no stored secret"),
    "D14": lambda view, sdk: _expiry(view) == 0 and sdk.status == 200,
    "D15": lambda view, sdk: _expiry(view) == cases.NOW and _secret_is_right(view) and sdk.status == 200,
    "D16": _says("has expired"),
    "D17": lambda view, sdk: _failed(sdk) and sdk.headers["www-authenticate"] is None,
    "D18": _says("Invalid client_id"),
    "D19": lambda view, sdk: view.last(b"client_id") is None and _failed(sdk),
    "D20": lambda view, sdk: view.media != differences.FORM and _failed(sdk),
    "D21": lambda view, sdk: view.request.path == b"/revoke" and sdk.error == "unauthorized_client",
    "D22": lambda view, sdk: differences._no_secret_parameter(view) and sdk.client is not None,
    "D23": lambda view, sdk: differences.DESCRIPTION.fullmatch(sdk.description or "") is None,
    "D25": lambda view, sdk: differences._raw_bytes(view)
    or differences._controls_in_form(view)
    or differences._controls_in_basic(view),
    "D26": lambda view, sdk: view.last(b"client_id") is not None and view.client is None,
    "D27": lambda view, sdk: differences._over_a_limit(view),
    "D28": lambda view, sdk: _charset(view),
    "D29": lambda view, sdk: view.request.cut > 0,
    "D30": lambda view, sdk: differences._other_charset(view),
    "D31": lambda view, sdk: differences._begins_with_mark(view),
}


def touched(view, sdk):
    return [row for row, about in ROWS.items() if about(view, sdk)]
