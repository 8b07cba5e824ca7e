"""Reads a JSON list of tokens, each with its alg and the settings that have its key, and verifies each with PyJWT.

Prints a JSON list with the claims of each, and with the thumbprint of its key (RFC 7638) by joserfc.
"""

import json
import sys

import jwt
from joserfc.jwk import JWKRegistry

read = []
for minted in json.load(sys.stdin):
    settings, thumbprint = minted["settings"], None
    if "jwks" in settings:
        (jwk,) = settings["jwks"]["keys"]
        key = jwt.PyJWK(jwk)
        assert jwt.get_unverified_header(minted["token"])["kid"] == key.key_id
        thumbprint = JWKRegistry.import_key(jwk).thumbprint()
    else:
        key = settings["public_key"]
    claims = jwt.decode(minted["token"], key, algorithms=[minted["alg"]], options={"require": ["exp", "iat", "sub"]})
    read.append({"claims": claims, "thumbprint": thumbprint})
print(json.dumps(read))
