"""Signed tokens, and the files of requests that wrk sends."""

import base64
import copy
import json
import pathlib
import tempfile
import time

import jwt
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from jwt.algorithms import ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

from servers import ROOT

SECRET = "correct-horse-battery-staple-0123456789-correct-horse-battery-staple"
KEYS = {"RS256": "rsa", "PS256": "rsa", "ES256": "p256", "ES384": "p384", "EdDSA": "ed25519"}
TO_JWK = {"RS256": RSAAlgorithm, "PS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}

directory = tempfile.TemporaryDirectory()


def key_file(alg: str, half: str) -> str:
    return (ROOT / f"tests/keys/{KEYS[alg]}.{half}.pem").read_text()


def public_key(alg: str) -> str:
    """As the filter's setting `public_key` takes it."""
    return SECRET if alg == "HS256" else key_file(alg, "pub")


def jwks(alg: str) -> str:
    """As `jwt_authn` takes it."""
    if alg == "HS256":
        key = HMACAlgorithm.to_jwk(SECRET.encode(), as_dict=True)
    else:
        key = TO_JWK[alg].to_jwk(load_pem_public_key(key_file(alg, "pub").encode()), as_dict=True)
    return json.dumps({"keys": [{**key, "kid": "bench", "alg": alg, "key_ops": ["verify"]}]})


def mint(alg: str, count: int = 1, length: int = 0, start: int = 0, more: dict | None = None) -> list[str]:
    """Tokens of different users, alike otherwise; of `length` characters, if they would be shorter. `start` is the
    first one's number, and `more` are claims."""
    key = SECRET if alg == "HS256" else load_pem_private_key(key_file(alg, "key").encode(), None)
    now = int(time.time())

    def token(number: int, filler: int) -> str:
        claims = {"iss": "https://issuer.example", "sub": f"user-{number:07}", "iat": now, "exp": now + 86400}
        claims |= {"jti": f"{number:016x}", "name": "Alice Example", "email": "alice@example.org"}
        claims |= more or {}
        if filler:
            claims["filler"] = "x" * filler
        return jwt.encode(claims, key, algorithm=alg, headers={"kid": "bench"})

    filler = 0
    if length:
        # Three bytes are four characters; 14 bytes are the member's name and quotes.
        filler = max(0, (length - len(token(0, 0))) * 3 // 4 - 14)
    return [token(number, filler) for number in range(start, start + count)]


def with_bad_signatures(tokens: list[str]) -> list[str]:
    """Each token with its neighbour's signature: well formed, and wrong."""
    signatures = [token.rpartition(".")[2] for token in tokens]
    heads = [token.rpartition(".")[0] for token in tokens]
    return [f"{head}.{signature}" for head, signature in zip(heads, signatures[1:] + signatures[:1])]


def raw(token: str | None = None, path: str = "/", body: str | None = None, headers: int = 0, more=()) -> bytes:
    """One request as it goes over the wire, with `headers` fields in all if that is more than it needs, and with
    `more` of these names and values."""
    fields = [("host", "kinto.example"), ("user-agent", "bench"), ("accept", "application/json")]
    if token:
        fields.append(("authorization", f"Bearer {token}"))
    if body is not None:
        fields += [("content-type", "application/json"), ("content-length", str(len(body)))]
    fields += more
    fields += [(f"x-header-{number}", f"value-of-header-{number}") for number in range(headers - len(fields))]
    lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1"] + [f"{name}: {value}" for name, value in fields]
    return ("\r\n".join(lines) + "\r\n\r\n" + (body or "")).encode()


class Requests:
    """A file of requests, and the place in it where the next load goes on."""

    def __init__(self, raws: list[bytes]):
        with tempfile.NamedTemporaryFile(dir=directory.name, delete=False) as file:
            for one in raws:
                file.write(b"%d\n%b\n" % (len(one), one))
        self.path, self.count, self.place = pathlib.Path(file.name), len(raws), 0

    def all(self) -> list[bytes]:
        """The requests as they go over the wire."""
        found, rest = [], self.path.read_bytes()
        while rest:
            length, _, rest = rest.partition(b"\n")
            found.append(rest[: int(length)])
            rest = rest[int(length) + 1 :]
        return found

    def again(self) -> "Requests":
        """The same file, from its beginning."""
        return copy.copy(self)

    @classmethod
    def with_tokens(cls, tokens: list, **shape):
        return cls([raw(token, **shape) for token in tokens])


def claim(token: str, name: str):
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))[name]
