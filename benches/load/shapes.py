"""Hostile requests: much work for little. Each has at most 1 MiB of body, the default of `batch.maxBytes`.

Most keep every other limit too, so that all of their sub-requests are decided on; some are refused, as late as can be.
"""

import base64
import dataclasses
import itertools
import os
from typing import Callable

from requests import mint, raw

MIB = 1 << 20
# For what repeats in a body, in one of 25 sub-requests, and in one of those that have the longest header.
ROOM = MIB - 1000
MOST, FEW = 25, 15
EACH = ROOM // MOST - 100
MAX_HEADERS, MAX_HEADER = 100, 64 * 1024 - 100
MAX_PATH = MAX_TOKEN = 16 * 1024
ISSUER = "https://issuer.example"
SIGNATURE = {"RS256": 256, "PS256": 256, "ES384": 96}
numbers = itertools.count()


@dataclasses.dataclass
class Shape:
    """A request by the algorithm, and its answer's status; `rejected`, if it is another with policies that reject."""

    make: Callable[[str], bytes]
    status: int = 200
    rejected: int = 0
    has_tokens: bool = False


def fill(piece: str, size: int = ROOM, between: str = "") -> str:
    """A piece as often as there is room for it; `%x` in it is a number of its own for each."""
    if "%x" in piece:
        return between.join(piece % n for n in range(size // (len(piece) + 3 + len(between))))
    return between.join([piece] * (size // (len(piece) + len(between))))


def within(*members: str) -> str:
    return "{" + ",".join(filter(None, members)) + "}"


def headers(**values: str) -> str:
    return '"headers":' + within(*(f'"{name.replace("_", "-")}":"{value}"' for name, value in values.items()))


def many_headers(name: str, value: str = "") -> str:
    """As many as there may be; their names differ at the end."""
    return '"headers":' + within(*(f'"{name}{n:02x}":"{value}"' for n in range(MAX_HEADERS)))


def path(text: str = "/a") -> str:
    return f'"path":"{text}"'


def body(*members: str) -> str:
    return f'"body":{within(*members)}'


def post(body: str, path: str = "/v1/batch", fields=()) -> bytes:
    assert len(body) <= MIB, f"{len(body)} bytes: {body[:80]}"
    return raw(None, path, body, more=fields)


def batch(requests: list[str], defaults: str = "", path: str = "/v1/batch") -> bytes:
    start = f'"defaults":{within(defaults)}' if defaults else ""
    return post(within(start, f'"requests":[{",".join(requests)}]'), path)


def times(*members: str, count: int = MOST, defaults: str = "") -> bytes:
    """The same sub-request over and over."""
    return batch([within(*members)] * count, defaults)


def in_chunks(request: bytes, size: int) -> bytes:
    """Without its length, a batch may grow when it is rewritten."""
    body = request.partition(b"\r\n\r\n")[2]
    head = raw(None, "/v1/batch", more=[("transfer-encoding", "chunked")]).replace(b"GET", b"POST", 1)
    parts = [body[start : start + size] for start in range(0, len(body), size)] + [b""]
    return head + b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)


def accepted() -> dict[str, bytes]:
    """Batches that the filter decides on to their end."""
    u0061, token, commas = "\\u0061", headers(authorization="Bearer a"), "x" + "," * MAX_HEADER
    paths = {piece: "/" + fill(piece, MAX_PATH - 1)[:-1] for piece in ["aa", "a/"]} | {"%22": "/" + "%22" * 5_400}
    paths |= {f"?{piece}": "/a?" + fill(piece, MAX_PATH - 3) for piece in ["t&", "t=a&", "%74=%61&", "a=b&"]}
    long = {f"64 KiB of cookies, {piece}": headers(cookie=fill(piece, MAX_HEADER)) for piece in ["t;", "t=a;", "a=b;"]}
    long["64 KiB of commas in Authorization"] = headers(authorization=commas)
    long["64 KiB of ; in Content-Type"] = headers(content_type="application/json" + ";" * MAX_HEADER)
    short = headers(cookie=fill("t;", EACH - MAX_PATH))
    brings = lambda what: headers(cookie="a=b") if "Authorization" in what else token
    own = {
        "100 headers": many_headers("x", "a" * 380),
        f"a header of {u0061}": headers(x=fill(u0061, EACH)),
        'a header of \\"': headers(x=fill('\\"', EACH)),
        f"a header with a name of {u0061}": '"headers":' + within(f'"{fill(u0061, EACH)}":""'),
        "a part of 170,000 members of a body": body(fill('"%x":0', EACH, ",")),
    }
    bodies = {
        "170,000 members": fill('"%x":0', between=","), "names of escapes": fill('"\\u0072equest":0', between=","),
        "escapes": f'"a":"{fill(u0061)}"', "[ and ]": f'"a":{"[" * (ROOM // 2) + "]" * (ROOM // 2)}',
    }  # fmt: skip
    # Names of one length are compared up to the character in which they differ.
    name = "x" * (ROOM // (MOST + 1) // MAX_HEADERS - 10)
    all_long = path(paths["?t&"]) + "," + headers(authorization=commas, cookie=fill("t;", MAX_HEADER))
    rejected = [within(path(paths["%22"]), token)] * FEW + [within(path("/"))]
    return {
        **{f"25 paths of 16 KiB, {piece}": times(path(text)) for piece, text in paths.items()},
        **{f"25 inherit a path of 16 KiB, {piece}": times(defaults=path(text)) for piece, text in paths.items()},
        f"25 paths of {u0061}": times(path("/" + fill(u0061, EACH))),
        **{f"15 have {what}": times(path(), header, count=FEW) for what, header in long.items()},
        **{f"25 inherit {what}": times(path(), brings(what), defaults=header) for what, header in long.items()},
        "25 have 24 KB of cookies, t; and a path of 16 KiB, ?t&": times(path(paths["?t&"]), short),
        "25 inherit 64 KiB of cookies, commas in Authorization and a path": times(defaults=all_long),
        **{f"25 have {what}": times(path(), text) for what, text in own.items()},
        "25 have 100 long names, inherit 100": times(path(), many_headers(name), defaults=many_headers(name[1:] + "y")),
        "one has 100 names of 10 KB": times(path(), many_headers("x" * (ROOM // MAX_HEADERS - 10)), count=1),
        **{f"a body of {what}": times(path(), body(text), count=1) for what, text in bodies.items()},
        "chunks of one byte": in_chunks(times(path()) + b" " * 170_000, 1),
        "15 are rejected, and Kinto answers with 800 KB": batch(rejected, path="/v1/batch/"),
    }


def refused() -> dict[str, bytes]:
    full, members = many_headers("x", "a" * 380), fill('"%x":0', between=",")
    return {
        "the last sub-request has no path": batch([within(path(), full)] * (MOST - 1) + ["{}"]),
        "the last of 100 headers is there twice": times(path(), full.replace('"x63', '"X62')),
        "the last of 170,000 members of a body": times(path(), body(members, '"requests":0'), count=1),
        "170,000 members of a sub-request": times(path(), members, count=1),
        "350,000 empty sub-requests": batch([fill("{}", between=",")]),
        **{f"a body of {piece} alone": post(fill(piece, MIB)) for piece in ["[", '{"requests":[', " "]},
        "a body that is not UTF-8 at its end": post("a" * MIB)[:-1] + b"\xff",
        "POST, 60 KB of ../ in the path": post("{}", "/" + "../" * 20_000),
        "60 KB of media type": post("{}", fields=[("content-type", "a;" * 30_000)]),
    }


def alone() -> dict[str, bytes]:
    """Requests that are no batch."""
    return {
        **{f"60 KB of cookies, {piece}": raw(more=[("cookie", fill(piece, 60_000))]) for piece in ["t;", "t=a;"]},
        **{f"60 KB of query, {piece}": raw(path="/?" + fill(piece, 60_000)) for piece in ["t&", "t=a&", "%74=%61&"]},
        "190 cookie fields": raw(more=[("cookie", "t=a;" * 75)] * 190),
        "60 KB of commas in Authorization": raw(more=[("authorization", "x" + "," * 60_000)]),
        "the identity's name 100 times": raw(more=[("userid", "admin")] * 100),
        "POST, 60 KB of a/ in the path": post("{}", "/" + "a/" * 30_000),
    }


def bad(alg: str, payload: str = "", head: str = "", length: int = MAX_TOKEN) -> str:
    """A new token, its signature of the right size; these pieces fill its payload or its header, up to `length`."""
    signature = b"\0" + os.urandom(SIGNATURE[alg] - 1)
    parts = [f'{{"alg":"{alg}"', f'{{"iss":"{ISSUER}","sub":"{next(numbers)}"']
    room = length * 3 // 4 - len(signature) - len("".join(parts)) - 20
    filled = [part + f',"a":[{fill(more, room, ",")}]' * bool(more) + "}" for part, more in zip(parts, [head, payload])]
    encoded = (base64.urlsafe_b64encode(part).rstrip(b"=") for part in [*map(str.encode, filled), signature])
    return b".".join(encoded).decode()


def with_tokens() -> dict[str, Callable[[str], bytes]]:
    """Batches by the algorithm, with new tokens each time."""
    bearer = lambda token: headers(authorization=f"Bearer {token}")
    each = lambda *tokens: batch([within(path(), bearer(token)) for token in tokens])
    new = lambda alg, *more: [bad(alg, *more) for _ in range(MOST)]
    valid = lambda alg, **more: mint(alg, start=next(numbers), more=more)[0]
    wide, deep, claims = '{"a":0,"b":1}', "[" * 60 + "]" * 60, dict.fromkeys(["name", "email"], "a" * 5_400)
    places = lambda a, b, c: within(path(f"/?t={a}"), headers(authorization=f"Bearer {b}", cookie=f"t={c}"))
    third, cookies = lambda alg: bad(alg, wide, length=12_000), headers(cookie=fill("a=b;", EACH))
    # An own header that is empty: the identity of the inherited token is written into each.
    inherit = lambda token: times(path(), headers(authorization=""), defaults=headers(cookie=f"t={token}"))
    return {
        "25 valid tokens": lambda alg: each(*(valid(alg) for _ in range(MOST))),
        "25 valid tokens with claims of 11 KB": lambda alg: each(*(valid(alg, **claims) for _ in range(MOST))),
        "25 inherit a token with claims of 11 KB": lambda alg: in_chunks(inherit(valid(alg, **claims)), MIB),
        "25 inherit a token, have 40 KB of cookies": lambda alg: times(path(), cookies, defaults=bearer(valid(alg))),
        "25 bad tokens": lambda alg: each(*new(alg)),
        "25 bad tokens of 16 KiB, payload wide": lambda alg: each(*new(alg, wide)),
        "25 bad tokens of 16 KiB, payload deep": lambda alg: each(*new(alg, deep)),
        "25 bad tokens of 16 KiB, header wide": lambda alg: each(*new(alg, "", wide)),
        "one bad token of 16 KiB 25 times": lambda alg: each(*[bad(alg, wide)] * MOST),
        "25 inherit a bad token of 16 KiB": lambda alg: times(path(), defaults=bearer(bad(alg, wide))),
        "25 bad tokens, each in three places": lambda alg: batch([places(*[third(alg)] * 3) for _ in range(MOST)]),
        "75 bad tokens in three places": lambda alg: batch([places(*map(third, [alg] * 3)) for _ in range(MOST)]),
        "no batch: a bad token of 16 KiB": lambda alg: raw(bad(alg, wide)),
    }


def shapes() -> dict[str, Shape]:
    kinds = [("", accepted(), 200, 0), ("refused: ", refused(), 400, 0), ("no batch: ", alone(), 200, 401)]
    same = lambda it, statuses: Shape(lambda _: it, *statuses)
    tokens = {name: Shape(make, 200, 401 * name.startswith("no batch"), True) for name, make in with_tokens().items()}
    return tokens | {
        kind + name: same(it, statuses) for kind, requests, *statuses in kinds for name, it in requests.items()
    }
