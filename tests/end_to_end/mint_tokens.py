"""Prints a JSON list of tokens for the user ålice, by two Python libraries and in every algorithm."""

import json
import pathlib
import time

import jwt
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

KEYS = pathlib.Path(__file__).parent.parent / "keys"
SECRET = "correct-horse-battery-staple-0123456789-correct-horse-battery-staple"
NAMES = {"RS": "rsa", "PS": "rsa", "ES256": "p256", "ES384": "p384", "ES512": "p521", "EdDSA": "ed25519"}
KINDS = {"RS": RSAKey, "PS": RSAKey, "ES": ECKey, "Ed": OKPKey}

claims = {"sub": "ålice", "iat": int(time.time()), "exp": time.time() + 600.5}
tokens = []
for alg in ["HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]:
    if alg.startswith("HS"):
        private = public = SECRET
        key = OctKey.import_key(SECRET)
    else:
        name = NAMES.get(alg) or NAMES[alg[:2]]
        private = (KEYS / f"{name}.key.pem").read_text()
        public = (KEYS / f"{name}.pub.pem").read_text()
        key = KINDS[alg[:2]].import_key(private)
    for library, token in [
        ("PyJWT", jwt.encode(claims, private, algorithm=alg, headers={"kid": "k", "ver": 1})),
        ("joserfc", joserfc_jwt.encode({"alg": alg}, claims, key, algorithms=[alg])),
    ]:
        tokens.append({"library": library, "alg": alg, "public_key": public, "token": token})
print(json.dumps(tokens))
