"""Hostile requests: much work for little. Each has at most 1 MiB of body, the default of `batch.maxBytes`."""

import base64
import functools
import itertools
import os
from typing import Callable

from requests import mint, raw

MIB = 1 << 20
# For what repeats in a body.
ROOM = MIB - 500
HALF = ROOM // 2
ISSUER = "https://issuer.example"
MAX_TOKEN = 16 * 1024
SIGNATURE = {"RS256": 256, "PS256": 256, "ES384": 96}
MEMBER, HEADER = '"%x":0', '"%x":""'
numbers = itertools.count()


def fill(piece: str, size: int = ROOM, between: str = ",") -> str:
    """A piece as often as there is room for it; `%x` in it is a number of its own for each."""
    if "%x" in piece:
        return between.join(piece % n for n in range(size // (len(piece) + 3 + len(between))))
    return between.join([piece] * (size // (len(piece) + len(between))))


def within(members: str) -> str:
    return "{" + members + "}"


def headers(name: str, value: str) -> str:
    return '"headers":' + within(f'"{name}":"{value}"')


def path(text: str) -> str:
    return f'"path":"{text}"'


def post(body: str, path: str = "/v1/batch", fields=()) -> bytes:
    if len(body) > MIB:
        raise ValueError(f"{len(body)} bytes: {body[:80]}")
    return raw(None, path, body, more=fields)


def batch(requests: str, defaults: str = "", more: str = "", path: str = "/v1/batch") -> bytes:
    start = f'"defaults":{within(defaults)},' if defaults else ""
    return post(within(f'{start}{more}"requests":[{requests}]'), path)


def one(members: str) -> bytes:
    return batch(within(members))


def inherit(defaults: str) -> bytes:
    """As many empty sub-requests as there is room for, with something that each of them inherits."""
    return batch(fill("{}", ROOM - len(defaults)), defaults)


def with_token(token: str) -> str:
    return within(headers("authorization", f"Bearer {token}"))


def spelled(start: int) -> str:
    """4,096 letter cases of one header."""
    spell = lambda n: "".join(c.upper() if n >> i & 1 else c for i, c in enumerate("authorization"))
    return '"headers":' + within(",".join(f'"{spell(n)}":""' for n in range(start, start + 4096)))


def same_each_time() -> dict[str, bytes]:
    """Where nothing else is said, as much as fits, which is 1 MB."""
    u0061, long = "\\u0061", "a" * HALF
    deep = "[" * (HALF - 50) + "]" * (HALF - 50)
    inherited = {
        "nothing": "",
        "a path of 500 KB": path(long),
        "a path of 500 KB of %25": path(fill("%25", HALF, "")),
        "a query of 500 KB": path("/?" + fill("a", HALF, "&")),
        "a method of 500 KB": f'"method":"{long}"',
        "500 KB in Authorization": headers("authorization", f"Bearer {long}"),
        "500 KB of commas in Authorization": headers("authorization", "x " + "," * HALF),
        "500 KB of cookies": headers("cookie", fill("t=a", HALF, ";")),
        "500 KB of members": fill(MEMBER, HALF),
        "500 KB of members of a body": '"body":' + within(fill(MEMBER, HALF)),
        "500 KB of headers": '"headers":' + within(fill(HEADER, HALF)),
        "4,096 spellings of Authorization": spelled(0),
    }
    solid = functools.partial(fill, between="")
    pieces = ["a", u0061, "\\u0001", "\\u00e9", "%25", "%ff", "%01", "/", "../", "\\\\", "[", "9"]
    paths = {piece: solid(piece) for piece in pieces} | {"%, then 25": "%" + solid("25")}
    paths |= {f"?, then {piece}": "/?" + solid(piece) for piece in ["&", "t=a&", "%74=%61&"]}
    fields = {
        "cookies": [("cookie", "t=a;" * 15_000)],
        "190 cookie fields": [("cookie", "t=a;" * 75)] * 190,
        "commas in Authorization": [("authorization", "x" + "," * 60_000)],
    }
    chunked = raw(None, "/v1/batch", more=[("transfer-encoding", "chunked")]).replace(b"GET", b"POST")
    return {
        "12,000 inherit a path of 100 KB": batch(fill("{}", 36_000), path("a" * 100_000)),
        **{f"all inherit {what}": inherit(text) for what, text in inherited.items()},
        "11 with 4,096 spellings inherit 4,096": batch(fill(within(spelled(4096)), ROOM - 80_000), spelled(0)),
        **{f"path: {what}": one(path(text)) for what, text in paths.items()},
        **{f"cookies: {piece}": one(headers("cookie", solid(piece))) for piece in [u0061, ";", "t=a;", "a=b;"]},
        "Authorization: commas": one(headers("authorization", "x " + solid(","))),
        f"Authorization: {u0061}": one(headers("authorization", "Bearer " + solid(u0061))),
        f"a header's name: {u0061}": one(headers(solid(u0061), "")),
        f"a member's name: {u0061}": one(f'"{solid(u0061)}":0'),
        "25 paths of 40 KB of %01": batch(fill(within(path("%01" * 13_600)))),
        "64 paths of 16 KB of %ff": batch(fill(within(path("%ff" * 5_400)))),
        "paths of 8 times %25 in the query": batch(fill(within(path("/?t=" + "%25" * 8)))),
        "paths of a letter": batch(fill(within(path("a")))),
        "members beside requests": batch("{}", more=fill(MEMBER) + ","),
        "members of a sub-request": one(fill(MEMBER)),
        "members of a body": one('"body":' + within(fill(MEMBER))),
        "headers": one('"headers":' + within(fill(HEADER))),
        "headers of the identity's name": one('"headers":' + within(fill('"userid":""'))),
        "members of one name": one(fill('"a":0')),
        "members, the last with the first one's name": one(fill(MEMBER) + ',"0":0'),
        "a sub-request's body of [ and ]": one(f'"body":{deep}'),
        "a sub-request's body of digits": one('"body":1e' + "9" * ROOM),
        "requests that are numbers": batch(fill("0")),
        "white space among requests": batch("{}" + " " * ROOM),
        **{f"body: {piece}": post(solid(piece, MIB)) for piece in ["[", '{"requests":[', " ", "9"]},
        "body: not UTF-8 at its end": post("a" * MIB)[:-1] + b"\xff",
        "body: chunks of one byte": chunked + b"1\r\n \r\n" * 170_000 + b"0\r\n\r\n",
        "24 bad tokens, and an open path": batch(",".join([with_token("a")] * 24 + [within(path("/"))])),
        "a bad token, and Kinto answers with 1 MB": batch(
            f"{with_token('a')},{within(path('/'))}", path="/v1/batch/"
        ),
        **{f"no batch, 60 KB: {what}": raw(more=field) for what, field in fields.items()},
        "no batch, 60 KB: path of %25": raw(path="/" + "%25" * 20_000),
        "no batch, 60 KB: query of t=a&": raw(path="/?" + "t=a&" * 15_000),
        "no batch, 60 KB: POST, path of %, then 25": post("{}", "/%" + "25" * 30_000),
        "no batch, 60 KB: POST, path of ../": post("{}", "/" + "../" * 20_000),
        "no batch: the identity's name 100 times": raw(more=[("userid", "admin")] * 100),
        "60 KB of media type": post("{}", fields=[("content-type", "a;" * 30_000)]),
    }  # fmt: skip


def bad(alg: str, length: int = 0, payload: str = "", head: str = "") -> str:
    """A new token, its signature of the right size; these pieces fill its payload or its header, up to `length`."""
    signature = b"\0" + os.urandom(SIGNATURE[alg] - 1)
    parts = [f'{{"alg":"{alg}"', f'{{"iss":"{ISSUER}","sub":"{next(numbers)}"']
    room = length * 3 // 4 - len(signature) - len("".join(parts)) - 20
    filled = [part + f',"a":[{fill(more, room)}]' * bool(more) + "}" for part, more in zip(parts, [head, payload])]
    encoded = (base64.urlsafe_b64encode(part).rstrip(b"=") for part in [*map(str.encode, filled), signature])
    return b".".join(encoded).decode()


def new_each_time() -> dict[str, Callable[[str], bytes]]:
    """Those with tokens, by the algorithm."""
    times = lambda count, alg, **more: batch(",".join(with_token(bad(alg, **more)) for _ in range(count)))
    long = lambda count, alg, **more: times(count, alg, length=MAX_TOKEN, **more)
    fitting = lambda alg: ROOM // (len(with_token(bad(alg))) + 5)
    valid = lambda alg: mint(alg, start=next(numbers))[0]
    wide, deep = '{"a":0,"b":1}', "[" * 60 + "]" * 60

    def in_three_places(token: str) -> str:
        fields = f'"authorization":"Bearer {token}","cookie":"t={token}"'
        return within(path(f"/?t={token}") + ',"headers":' + within(fields))

    return {
        "no batch: a bad token of 16 KiB": lambda alg: raw(bad(alg, MAX_TOKEN, "0")),
        "25 new valid tokens": lambda alg: batch(",".join(with_token(valid(alg)) for _ in range(25))),
        "25 bad tokens": lambda alg: times(25, alg),
        "25 bad tokens of 16 KiB": lambda alg: long(25, alg, payload="0"),
        "63 bad tokens of 16 KiB, payload wide": lambda alg: long(63, alg, payload=wide),
        "63 bad tokens of 16 KiB, payload deep": lambda alg: long(63, alg, payload=deep),
        "63 bad tokens of 16 KiB, header wide": lambda alg: long(63, alg, head=wide),
        "bad tokens": lambda alg: times(fitting(alg), alg),
        "bad tokens in three places": lambda alg: batch(
            ",".join(in_three_places(bad(alg)) for _ in range(fitting(alg) // 4))
        ),
        "one bad token 25 times": lambda alg: batch(",".join([with_token(bad(alg))] * 25)),
        "one bad token": lambda alg: batch(fill(with_token(bad(alg)))),
        "all inherit a bad token": lambda alg: inherit(with_token(bad(alg))[1:-1]),
    }
