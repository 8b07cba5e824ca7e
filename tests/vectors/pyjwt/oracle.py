"""What the real kinto_jwt makes of tokens, with the PyJWT that is installed.

Standard input: one line of JSON, {"now": seconds, "policies": [settings of kinto_jwt, ..]}. Then a line for each token,
`policy base64`, and an empty line for the answers so far. Standard output: for each token a line of JSON. It is
{"user": text}, {"user": null} for nobody, {"refused": true}, {"nameless": true} for a good token without the claim of
the user id, or {"crash": name} where Kinto would answer 500.

`? policy base64` asks for what is peculiar about a token instead: a list of names, which are read from the token alone.
Only `proves U` is a verdict: U is the user if one row of the differences is granted (ed25519, pointer).
"""

import base64
import json
import logging
import math
import sys
import warnings

logging.disable()
warnings.simplefilter("ignore")

import jwt  # noqa: E402
import jwt.api_jwt  # noqa: E402
from jwt.algorithms import OKPAlgorithm  # noqa: E402
from kinto_jwt import JWTAuthenticationPolicy  # noqa: E402
from pyramid.request import Request  # noqa: E402

REFUSED = object()
DATES = ("exp", "nbf", "iat")


def stop_clock(now):
    """PyJWT sees this time, so that no answer depends on when it is given."""
    real = jwt.api_jwt.datetime

    class Stopped(real):
        @classmethod
        def now(cls, tz=None):
            return real.fromtimestamp(now, tz)

    jwt.api_jwt.datetime = Stopped


class Decoder:
    """PyJWT's `decode`, and the claims of the last token that it accepted: kinto_jwt does not tell whether it did."""

    def __init__(self):
        self.decode, self.claims = jwt.decode, None

    def __call__(self, *arguments, **options):
        self.claims = self.decode(*arguments, **options)
        return self.claims


def answer(policy, token):
    request = Request({"HTTP_AUTHORIZATION": "JWT " + token.decode("latin-1"), "REMOTE_ADDR": "127.0.0.1"})
    jwt.decode.claims = None
    try:
        user = policy.unauthenticated_userid(request)
        if user is REFUSED:
            return {"refused" if jwt.decode.claims is None else "nameless": True}
        if user is None:
            return {"user": None}
        hash(user)  # Pyramid puts it into a set.
        text = str(user)
        text.encode()  # Kinto's answers are UTF-8.
        return {"user": text}
    except Exception as error:
        return {"crash": type(error).__name__}


class Reading:
    """One JSON text of a token, read as leniently as Python can, and what is peculiar about it."""

    def __init__(self, part, where):
        self.found = set()
        # With those members of which only the last one counts.
        self.pairs = []
        self.value = None
        try:
            raw = base64.urlsafe_b64decode(part.rstrip(b"=") + b"=" * (-len(part.rstrip(b"=")) % 4))
            encoding = json.detect_encoding(raw)
            if encoding != "utf-8":
                self.found.add("encoding")
            text = raw.decode(encoding, "surrogatepass")
            self.value = json.loads(
                text,
                object_pairs_hook=self.members,
                parse_constant=self.constant,
                parse_float=self.number,
                parse_int=self.number,
            )
            everything = [self.value] + [list(pair) for pair in self.pairs]
            if self.depth(everything) > 128:
                self.found.add("deep")
            if is_half_a_pair(json.dumps(everything, ensure_ascii=False, default=str)):
                self.found.add("surrogate")
        except (ValueError, RecursionError):
            pass
        self.peculiar = {f"{name} in the {where}" for name in self.found}

    def members(self, pairs):
        if len(dict(pairs)) != len(pairs):
            self.found.add("twice")
            self.pairs += pairs
        return dict(pairs)

    def constant(self, name):
        self.found.add("constant")
        return float(name)

    def number(self, text):
        if math.isinf(float(text)):
            self.found.add("overflow")
        return Number(text)

    @staticmethod
    def depth(value):
        deepest, left = 0, [(value, 1)]
        while left:
            value, depth = left.pop()
            if isinstance(value, (dict, list)):
                deepest = max(deepest, depth)
                left += [(item, depth + 1) for item in (value.values() if isinstance(value, dict) else value)]
        return deepest


def is_half_a_pair(text):
    return any(0xD800 <= ord(c) < 0xE000 for c in text)


class Number:
    """A number as it is written."""

    def __init__(self, text):
        self.text = text

    def __str__(self):
        return self.text

    def is_whole(self):
        """Whether it is a whole number of at most 64 bits."""
        if self.text == "-0" or not self.text.lstrip("-").isdigit():
            return False
        return -(2**63) <= int(self.text) < 2**64


def peculiar(policy, token):
    """What is peculiar about a token for this policy."""
    claim = policy.userIdTokenKey
    parts = token.split(b".")
    found = set()
    if len(token) > 16384:
        found.add("long")
    if b"=" in token:
        found.add("padding")
    header = Reading(parts[0], "header")
    claims = Reading(parts[1] if len(parts) > 1 else b"", "claims")
    found |= header.peculiar | claims.peculiar
    if isinstance(header.value, dict):
        if header.value.get("alg") == "Ed25519":
            found.add("Ed25519")
            other = JWTAuthenticationPolicy(policy.public_key, "Ed25519", policy.leeway, unauthorizedUserId=REFUSED)
            found |= proved(answer(other, token), lambda: None)
        if "crit" in header.value:
            found.add("crit")
    if isinstance(claims.value, dict):
        dates = [claims.value[name] for name in DATES if name in claims.value]
        if any(isinstance(date, (str, bool)) for date in dates):
            found.add("date that is no number")
        if any(isinstance(date, Number) and date.text.startswith("-") for date in dates):
            found.add("negative date")
        if claim in claims.value:
            found |= user(claims.value[claim])
        elif claim.startswith("/"):
            found.add("pointer")
            found |= user(pointed(claim, claims.value)) - {"user that crashes"}
            found |= proved(answer(policy, token), lambda: pointed(claim, jwt.decode.claims))
    return sorted(found)


def proved(answer, otherwise):
    """The user of an answer, or of a good token without the claim."""
    if answer.get("nameless"):
        return {f"proves {otherwise()}".encode("utf-8", "backslashreplace").decode()}
    return {f"proves {answer['user']}"} if "user" in answer else set()


def pointed(pointer, value):
    """What a pointer without escapes means (RFC 6901), or None."""
    for name in pointer.split("/")[1:]:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def user(value):
    """What is peculiar about a user id."""
    if isinstance(value, str) and is_half_a_pair(value):
        return {"user that crashes"}
    if isinstance(value, str):
        plain = value.isascii() and value.isprintable() and value == value.strip() and value
        return set() if plain else {"user of odd text"}
    if isinstance(value, bool) or (isinstance(value, Number) and value.is_whole()):
        return set()
    if isinstance(value, (dict, list)):
        return {"user that crashes", "user of an odd type"}
    return {"user of an odd type"}


def main():
    settings = json.loads(sys.stdin.buffer.readline())
    stop_clock(settings["now"])
    jwt.decode = Decoder()
    jwt.register_algorithm("Ed25519", OKPAlgorithm())
    policies = [JWTAuthenticationPolicy(**{**policy, "unauthorizedUserId": REFUSED}) for policy in settings["policies"]]
    answers = []
    for line in sys.stdin.buffer:
        words = line.rstrip(b"\n").split(b" ")
        if words == [b""]:
            sys.stdout.write("".join(json.dumps(answer) + "\n" for answer in answers))
            sys.stdout.flush()
            answers = []
            continue
        policy, token = policies[int(words[-2])], base64.b64decode(words[-1])
        asks = words[0] == b"?"
        answers.append(peculiar(policy, token) if asks else answer(policy, token))


main()
