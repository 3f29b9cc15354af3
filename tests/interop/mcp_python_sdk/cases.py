"""The requests: a systematic product, and seeded random mutations of it."""

import base64
import random
from dataclasses import replace
from urllib.parse import quote, quote_plus

from wire import Request

NOW = 1_800_000_000
SEED = 20_260_820
MUTATIONS = 4_000

FORM = (b"Content-Type", b"application/x-www-form-urlencoded")

# What the SDK needs to get past the grant, so that a success names its client.
GRANT = {
    b"/token": [(b"grant_type", b"refresh_token"), (b"refresh_token", b"r")],
    b"/revoke": [(b"token", b"t")],
}

AWKWARD = {
    "colon": "a:b",
    "percent": "a%b",
    "escape": "a%41b",
    "plus": "a+b",
    "slash": "a/b",
    "ampersand": "a&b",
    "equals": "a=b=",
    "space": "a b",
    "outer space": " a ",
    "quotes": "a\"b'c\\d",
    "semicolon": "a;b",
    "umlaut": "aüb",
    "decomposed": "au\u0308b",
    "emoji": "a🦀b",
    "replacement": "a\ufffdb",
    "long": "a1B-" * 50,
}

EXPIRIES = {"": None, "0": 0, "past": NOW - 1, "now": NOW, "next": NOW + 1, "far": 9_007_199_254_740_993, "negative": -1}
METHODS = ["client_secret_basic", "client_secret_post", "none", None, "private_key_jwt", "foo_bar"]


def clients():
    """Every registration, as RFC 7591 metadata."""
    records = []

    def add(client_id, method, secret, expires_at=None):
        record = {"client_id": client_id}
        if method is not None:
            record["token_endpoint_auth_method"] = method
        if secret is not None:
            record["client_secret"] = secret
        if expires_at is not None:
            record["client_secret_expires_at"] = expires_at
        records.append(record)

    for method in METHODS:
        for name, expires_at in EXPIRIES.items():
            add(f"{method} {name}", method, "s3cret", expires_at)
        add(f"{method} without secret", method, None)
        add(f"{method} empty secret", method, "")
    for method in ("client_secret_basic", "client_secret_post"):
        for text in AWKWARD.values():
            add(f"{method}-{text}", method, "s3cret")
        for name, text in AWKWARD.items():
            add(f"{method}-secret-{name}", method, text)
    for text in AWKWARD.values():
        add(f"none-{text}", "none", None)
    add("client_secret_basic case", "client_secret_basic", "s3cret")
    add("CLIENT_SECRET_BASIC CASE", "client_secret_basic", "other")
    add("quoted", 'say "hi"', "s3cret")
    add("two lines", "foo\nbar", "s3cret")
    add("upper", "CLIENT_SECRET_BASIC", "s3cret")
    add("padded", "client_secret_post ", "s3cret")
    return records


# Four ways to write one value.


def form_encoded(text):
    return quote_plus(text, safe="").encode()


def percent_encoded(text):
    return quote(text, safe="").encode()


def every_byte(text):
    return b"".join(b"%%%02x" % byte for byte in text.encode())


def hardly_encoded(text):
    """Only what would end the value or be decoded itself; the bytes of other scripts stay as they are."""
    return b"".join(b"%%%02X" % byte if byte in b"%&+ " else bytes([byte]) for byte in text.encode())


ENCODINGS = {"form": form_encoded, "percent": percent_encoded, "bytes": every_byte, "hardly": hardly_encoded}


def raw(text):
    return text.encode()


def basic(user, password):
    return b"Basic " + base64.b64encode(user + b":" + password)


def pairs(*parameters):
    return b"&".join(name + b"=" + value for name, value in parameters)


def build(label, path, parameters, authorization=None, content_type=FORM, before=False):
    grant = GRANT[path]
    ordered = [*grant, *parameters] if before else [*parameters, *grant]
    headers = [content_type] if content_type is not None else []
    if authorization is not None:
        headers.append((b"Authorization", authorization))
    return Request(label, tuple(headers), pairs(*ordered), path)


def filled(parameters):
    """The SDK's model of a revocation asks for this parameter, whatever the method."""
    if any(name == b"client_secret" for name, _ in parameters):
        return parameters
    return [*parameters, (b"client_secret", b"")]


def presented(record, encode, halves):
    """Every combination of credentials that a client could present: (name, parameters, Authorization).

    `encode` writes form values and `halves` the two halves of Basic credentials.
    """
    client_id, secret = record["client_id"], record.get("client_secret") or "s3cret"
    other_basic, other_public = "client_secret_basic ", "none without secret"
    ident = (b"client_id", encode(client_id))
    right = (b"client_secret", encode(secret))
    wrong = (b"client_secret", encode(secret + "x"))
    empty = (b"client_secret", b"")
    header = basic(halves(client_id), halves(secret))
    wrong_header = basic(halves(client_id), halves(secret + "x"))
    assertion = [
        (b"client_assertion_type", b"urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"),
        (b"client_assertion", b"e30.e30.AA"),
    ]
    return [
        ("nothing", [], None),
        ("id", [ident], None),
        ("post", [ident, right], None),
        ("post wrong", [ident, wrong], None),
        ("post empty", [ident, empty], None),
        ("post secret alone", [right], None),
        ("post empty id", [(b"client_id", b""), right], None),
        ("basic", [], header),
        ("basic id", [ident], header),
        ("basic id empty secret", [ident, empty], header),
        ("basic wrong id", [ident], wrong_header),
        ("basic no password", [ident], basic(halves(client_id), b"")),
        ("basic no user", [ident], basic(b"", halves(secret))),
        ("basic other id", [(b"client_id", encode(other_basic))], header),
        ("basic public id", [(b"client_id", encode(other_public))], header),
        ("other basic", [ident, right], basic(halves(other_basic), b"s3cret")),
        ("unknown id", [(b"client_id", b"nobody"), right], header),
        ("basic post", [ident, right], header),
        ("basic post wrong", [ident, wrong], header),
        ("basic wrong post", [ident, right], wrong_header),
        ("bearer", [ident], b"Bearer abc"),
        ("bearer post", [ident, right], b"Bearer abc"),
        ("malformed basic post", [ident, right], b"Basic !!!"),
        ("assertion", [ident, *assertion], None),
        ("assertion basic", [ident, *assertion], header),
        ("assertion post", [ident, right, *assertion], None),
    ]


def products(records):
    """Registered method and expiry x presented credentials x encoding, on both endpoints."""
    for record in records:
        for name, encode in ENCODINGS.items():
            # Real clients send Basic halves in all of these ways, unencoded among them.
            halves = raw if name in ("bytes", "hardly") else encode
            for how, parameters, authorization in presented(record, encode, halves):
                label = f"{record['client_id']!r} {how} {name}"
                yield build(label, b"/token", parameters, authorization)
                if name == "form":
                    yield build(label, b"/revoke", parameters, authorization, before=True)
                    if filled(parameters) != parameters:
                        yield build(label + " filled", b"/revoke", filled(parameters), authorization)


def malformed_authorizations(user, password):
    """(name, Authorization) around right credentials; the base64 has no padding, one sign of it, or two."""
    for size, token in (
        ("", base64.b64encode(user + b":" + password)),
        (" wrong", base64.b64encode(user + b":" + password + b"x")),
    ):
        bare = token.rstrip(b"=")
        for name, value in {
            "lower scheme": b"basic " + token,
            "upper scheme": b"BASIC " + token,
            "mixed scheme": b"bAsIc " + token,
            "two spaces": b"Basic  " + token,
            "many spaces": b"Basic      " + token,
            "tab": b"Basic\t" + token,
            "space tab": b"Basic \t" + token,
            "no space": b"Basic" + token,
            "other scheme": b"Basics " + token,
            "scheme alone": b"Basic",
            "lower scheme alone": b"basic",
            "no scheme": token,
            "quoted": b'Basic "' + token + b'"',
            "junk": b"Basic " + token[:5] + b"!" + token[5:],
            "junk in front": b"Basic *" + token,
            "inner space": b"Basic " + token[:5] + b" " + token[5:],
            "url alphabet": b"Basic " + token[:4] + b"-_" + token[4:],
            "no padding": b"Basic " + bare,
            "more padding": b"Basic " + token + b"=",
            "four paddings": b"Basic " + token + b"====",
            "padding inside": b"Basic " + token[:4] + b"=" + token[4:],
            "auth-param": b"Basic " + token + b', realm="x"',
            "charset": b"Basic " + token + b" charset=UTF-8",
            "list": b"Basic " + token + b", Basic " + token,
            "comma": b"Basic " + token + b",",
            "text behind": b"Basic " + bare + b"==" + b"AAAA",
            "one sign": b"Basic A",
            "latin-1": b"Basic \xc3\xa9" + token,
            "huge": b"Basic " + token + b"A" * 9000,
        }.items():
            yield name + size, value
    # The last sign of a group may carry bits that no byte uses.
    odd = user + b":" + password
    odd += b"" if len(odd) % 3 else b"y"
    token = base64.b64encode(odd)
    last = token.rstrip(b"=")[-1:]
    alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    at = alphabet.index(last)
    yield "trailing bits", b"Basic " + token.rstrip(b"=")[:-1] + alphabet[at + 1 : at + 2] + token[len(token.rstrip(b"=")) :]
    for name, data in {
        "no colon": b"no-colon-here",
        "colon alone": b":",
        "empty": b"",
        "user alone": user,
        "user colon": user + b":",
        "second colon": user + b":" + password + b":",
        "bad escape": user + b":" + password + b"%zz",
        "cut escape": user + b":" + password + b"%4",
        "percent": user + b":" + password + b"%",
        "bad escape id": b"%zz" + user + b":" + password,
        "not UTF-8": user + b":" + password + b"\xff",
        "not UTF-8 id": b"\xff" + user + b":" + password,
        "escaped not UTF-8": user + b":" + password + b"%FF",
        "escaped not UTF-8 id": b"%FF" + user + b":" + password,
        "overlong": user + b":" + b"%C0%AF" + password,
        "surrogate": user + b":" + b"%ED%A0%80" + password,
        "NUL": user + b":" + password + b"\x00",
        "escaped NUL": user + b":" + password + b"%00",
        "escaped newline": user + b":" + password + b"%0D%0A",
        "escaped DEL": user + b":" + password + b"%7F",
        "control id": b"\x01" + user + b":" + password,
        "plus": user + b":" + password + b"+",
        "escaped plus": user + b":" + password + b"%2B",
        "double escape": user + b":" + b"%2573" + password[1:],
        "escaped once": user + b":" + b"%73" + password[1:],
        "escaped colon": user + b"%3A" + password,
        "padded": user + b":" + password + b" ",
        "BOM": b"\xef\xbb\xbf" + user + b":" + password,
        "upper": user.upper() + b":" + password,
    }.items():
        yield name, b"Basic " + base64.b64encode(data)


def malformed_forms(ident, secret):
    """(name, form without the grant) around a right id and a right or absent secret."""
    both = pairs((b"client_id", ident), *([(b"client_secret", secret)] if secret else []))
    value = secret or b"s3cret"
    return {
        "repeated id": both + b"&client_id=" + ident,
        "other id first": b"client_id=nobody&" + both,
        "other id last": both + b"&client_id=nobody",
        "public id last": both + b"&client_id=none%20without%20secret",
        "empty id first": b"client_id=&" + both,
        "empty id last": both + b"&client_id=",
        "bare id last": both + b"&client_id",
        "encoded name last": both + b"&client%5Fid=nobody",
        "encoded names": both.replace(b"client_", b"client%5f"),
        "encoded letters": both.replace(b"client_", b"%63lient_"),
        "repeated secret": both + b"&client_secret=" + value,
        "wrong secret first": b"client_secret=x&" + both,
        "wrong secret last": both + b"&client_secret=x",
        "empty secret first": b"client_secret=&" + both,
        "empty secret last": both + b"&client_secret=",
        "bare secret last": both + b"&client_secret",
        "repeated grant": both + b"&grant_type=refresh_token&grant_type=refresh_token",
        "repeated scope": both + b"&scope=a&scope=b",
        "repeated resource": both + b"&resource=a&resource=b",
        "repeated assertion": both + b"&client_assertion=a&client_assertion=b",
        "bad escape": both + b"%zz",
        "cut escape": both + b"%4",
        "percent": both + b"%",
        "bad escape id": b"client_id=%zz" + ident,
        "bad escape elsewhere": both + b"&x=%zz",
        "not UTF-8": both + b"%FF",
        "not UTF-8 id": b"client_id=%FF" + ident,
        "not UTF-8 elsewhere": both + b"&x=%FF&%FE=y",
        "replacement": both + b"%EF%BF%BD",
        "raw bytes": both + b"\xc3\xbc",
        "raw latin-1": both + b"\xfc",
        "raw bytes id": b"client_id=\xc3\xbc" + ident,
        "raw bytes elsewhere": both + b"&x=\xff&\xfe=y",
        "NUL": both + b"%00",
        "raw NUL": both + b"\x00",
        "newline": both + b"\r\n",
        "escaped newline": both + b"%0D%0A",
        "tab": both + b"%09",
        "DEL": both + b"\x7f",
        "control id": b"client_id=%01" + ident,
        "control elsewhere": both + b"&x=%00\x01",
        "plus": both + b"+",
        "space in front": b"client_id=+" + ident,
        "raw space": both + b" ",
        "semicolon": both.replace(b"&", b";") + b";x=y",
        "semicolon value": both + b";client_id=nobody",
        "array": both.replace(b"client_id=", b"client_id[]="),
        "upper name": both.replace(b"client_id=", b"Client_Id="),
        "space name": both.replace(b"client_id=", b"client_id+="),
        "BOM": b"\xef\xbb\xbf" + both,
        "escaped BOM": b"%EF%BB%BF" + both,
        "NUL name": both.replace(b"client_id=", b"client_id%00="),
        "question mark": b"?" + both,
        "empty pairs": b"&&" + both + b"&&",
        "empty names": b"=x&=&" + both + b"&=",
        "more equals": both + b"=",
        "long id": b"client_id=" + b"a" * 9000,
        "long secret": both + b"&client_secret=" + b"a" * 9000,
        "long elsewhere": both + b"&x=" + b"a" * 9000,
        "many": both + b"&x=y" * 500,
        "too many": both + b"&x=y" * 1200,
        "too many empty": both + b"&" * 1200,
        "too large": both + b"&x=" + b"a" * 70_000,
        "too large for both": both + b"&x=" + b"a" * (4 * 1024 * 1024),
        "json": b'{"client_id": "' + ident + b'"}',
        "no form": b"",
    }


CONTENT_TYPES = {
    "upper": b"APPLICATION/X-WWW-FORM-URLENCODED",
    "charset": b"application/x-www-form-urlencoded; charset=UTF-8",
    "charset latin-1": b"application/x-www-form-urlencoded; charset=iso-8859-1",
    "spaced": b"application/x-www-form-urlencoded ;charset=x",
    "mixed": b"Application/X-Www-Form-Urlencoded; charset=utf-8",
    "semicolon": b"application/x-www-form-urlencoded;",
    "quoted": b'application/x-www-form-urlencoded; a="b;c"',
    "longer": b"application/x-www-form-urlencoded-evil",
    "shorter": b"application/x-www-form",
    "list": b"application/x-www-form-urlencoded, text/plain",
    "json": b"application/json",
    "text": b"text/plain",
    "junk": b"junk",
    "slash": b"/",
    "latin-1": b"application/\xfc",
    "grpc-like": b"application/grpcs",
}

MULTIPART = (b"Content-Type", b"multipart/form-data; boundary=b")


def multipart(parameters):
    part = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    return b"".join(part % parameter for parameter in parameters) + b"--b--\r\n"


REPRESENTATIVES = [
    ("client_secret_basic ", "s3cret"),
    ("client_secret_basic without secret", "s3cret"),
    ("client_secret_basic past", "s3cret"),
    ("client_secret_basic-aüb", "s3cret"),
    ("client_secret_basic-secret-replacement", AWKWARD["replacement"]),
    ("client_secret_post ", "s3cret"),
    ("client_secret_post-secret-replacement", AWKWARD["replacement"]),
    ("client_secret_post past", "s3cret"),
    ("none without secret", None),
    ("none ", "s3cret"),
    ("None ", "s3cret"),
    ("foo_bar ", "s3cret"),
    ("quoted", "s3cret"),
    ("nobody", "s3cret"),
]


def malformations():
    """Malformed headers and forms around credentials that would be right."""
    for client_id, secret in REPRESENTATIVES:
        ident, value = form_encoded(client_id), None if secret is None else form_encoded(secret)
        half_id, half_secret = percent_encoded(client_id), percent_encoded(secret or "s3cret")
        header = basic(half_id, half_secret)
        here = [(b"client_id", ident)]
        both = here + ([(b"client_secret", value)] if value else [])
        for path in GRANT:
            mark = f"{client_id!r} {path.decode()}"
            for name, authorization in malformed_authorizations(half_id, half_secret):
                yield build(f"{mark} authorization {name}", path, both, authorization)
                if path == b"/token":
                    yield build(f"{mark} authorization {name} without id", path, [], authorization)
            two = build(f"{mark} two lines", path, both, header)
            for name, extra in {
                "same": header,
                "wrong": basic(half_id, b"x"),
                "bearer": b"Bearer x",
                "empty": b"",
            }.items():
                line = (b"Authorization", extra)
                yield replace(two, label=f"{mark} lines right {name}", headers=(*two.headers, line))
                yield replace(two, label=f"{mark} lines {name} right", headers=(line, *two.headers))
            grant = pairs(*GRANT[path])
            for name, form in malformed_forms(ident, value).items():
                if path == b"/revoke" and len(form) > 70_000:
                    continue
                body = form + b"&" + grant if form else b""
                for authorization in (None, header):
                    headers = (FORM,) if authorization is None else (FORM, (b"Authorization", authorization))
                    how = "post" if authorization is None else "basic"
                    yield Request(f"{mark} form {name} {how}", headers, body, path)
            for name, content_type in CONTENT_TYPES.items():
                yield build(f"{mark} type {name}", path, both, header, (b"Content-Type", content_type))
            yield build(f"{mark} no type", path, both, header, None)
            yield Request(f"{mark} no type, no body", ((b"Authorization", header),), b"", path)
            multi = multipart([*both, *GRANT[path]])
            yield Request(f"{mark} multipart", (MULTIPART, (b"Authorization", header)), multi, path)
            right = build(f"{mark} right", path, both, header)
            yield replace(right, label=f"{mark} chunked", chunked=True)
            yield replace(right, label=f"{mark} cut off", cut=5)
            yield replace(right, label=f"{mark} query", query=b"client_id=nobody&client_secret=x")
            yield replace(right, label=f"{mark} only query", query=pairs(*both), body=grant)
            for name, line in {
                "gzip": (b"Content-Encoding", b"gzip"),
                "identity": (b"Content-Encoding", b"identity"),
                "proxy": (b"Proxy-Authorization", header),
                "cookie": (b"Cookie", b"client_id=nobody"),
                "certificate": (b"Client-Cert", b":AA==:"),
            }.items():
                yield replace(right, label=f"{mark} header {name}", headers=(*right.headers, line))
            for method in (b"GET", b"PUT", b"DELETE", b"PATCH"):
                yield replace(right, label=f"{mark} {method.decode()}", method=method)


INTERESTING = [
    b"%", b"%0", b"%zz", b"%00", b"%FF", b"%C3%BC", b"%EF%BF%BD", b"+", b"%2B", b"%20", b" ", b"&", b"=", b";", b":", b"%3A",
    b"\x00", b"\x7f", b"\xc3\xbc", b"\xff", b"a", b"client_id=", b"&client_id", b"&client_secret=", b"&client_secret=s3cret",
    b"&client_id=none%20without%20secret", b"&client_assertion=x", b"%5F", b"[]", b"\t", b"\n",
]  # fmt: skip
TOKEN_SIGNS = [b"=", b"==", b"!", b" ", b",", b"-", b"_", b"A", b"/", b"+", b"\t", b"%", b"\xe9", b'"']
SCHEMES = [b"Basic ", b"Basic  ", b"basic ", b"BASIC ", b"Basic\t", b"Bearer ", b"Basic", b"Digest ", b""]


def edit(chance, data, signs):
    """Inserts, removes, replaces, doubles or swaps at a random place."""
    at = chance.randrange(len(data) + 1)
    match chance.randrange(5):
        case 0:
            return data[:at] + chance.choice(signs) + data[at:]
        case 1:
            return data[:at] + data[at + 1 :]
        case 2:
            return data[:at] + chance.choice(signs) + data[at + 1 :]
        case 3:
            end = at + chance.randrange(1, 12)
            return data[:end] + data[at:]
        case _:
            return data[:at] + data[at : at + 1].swapcase() + data[at + 1 :]


def mutate(chance, request):
    headers, body = dict(request.headers), request.body
    authorization = headers.pop(b"Authorization", None)
    lines = [authorization] if authorization is not None else []
    match chance.randrange(8):
        case 0 | 1 | 2:
            body = edit(chance, body, INTERESTING)
        case 3 | 4 if authorization is not None and authorization.startswith(b"Basic "):
            try:
                data = base64.b64decode(authorization[6:], validate=True)
            except ValueError:
                data = b"a:b"
            lines = [b"Basic " + base64.b64encode(edit(chance, data, INTERESTING))]
        case 5 if authorization is not None:
            lines = [edit(chance, authorization, TOKEN_SIGNS)]
        case 6 if authorization is not None:
            lines = [chance.choice(SCHEMES) + authorization.partition(b" ")[2]]
            if chance.randrange(4) == 0:
                lines.append(authorization)
        case _:
            parts = body.split(b"&")
            chance.shuffle(parts)
            body = b"&".join(parts)
    # White space around a field value is no part of it, and line ends cannot be sent.
    kept = [(b"Authorization", line.strip(b" \t\n")) for line in lines if b"\n" not in line]
    return replace(request, headers=(*headers.items(), *kept), body=body)


def mutations(records):
    chance = random.Random(SEED)
    seeds = []
    for record in records:
        for how, parameters, authorization in presented(record, form_encoded, percent_encoded):
            if how in ("id", "post", "basic id", "basic post", "basic wrong post", "basic public id", "assertion basic"):
                seeds.append(build(f"{record['client_id']!r} {how}", b"/token", parameters, authorization))
                seeds.append(build(f"{record['client_id']!r} {how}", b"/revoke", filled(parameters), authorization))
    for number in range(MUTATIONS):
        request = chance.choice(seeds)
        for _ in range(chance.randrange(1, 4)):
            request = mutate(chance, request)
        yield replace(request, label=f"mutation {number} of {request.label} {request.path.decode()}")


def requests(records):
    yield from products(records)
    yield from malformations()
    yield from mutations(records)
