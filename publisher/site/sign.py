"""A signed head: a JSON Web Signature (RFC 7515) in its compact form, with EdDSA and the id of the key.

The signature of Ed25519 is a function of key and bytes, so the same head is signed to the same bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from publisher.errors import TokenError
from publisher.site.sync_wire import SIGNED_TYPE

ALGORITHM = "EdDSA"
_JWS = jwt.PyJWS(algorithms=[ALGORITHM])


def signed(payload: bytes, kid: str, key: Ed25519PrivateKey, kind: str = SIGNED_TYPE) -> bytes:
    """`payload` signed by the key with this id; its `kind` (typ), so that none is taken for another."""
    return _JWS.encode(payload, key, algorithm=ALGORITHM, headers={"kid": kid, "typ": kind}).encode()


def read_keys(keyset: bytes) -> dict[str, Ed25519PublicKey]:
    """The Ed25519 keys of a JSON Web Key Set, by their ids; TokenError when it is none."""
    try:
        held = jwt.PyJWKSet.from_json(keyset.decode()).keys
    except (jwt.PyJWTError, ValueError) as error:
        raise TokenError(f"this is no key set: {error}") from error
    return {str(one.key_id): one.key for one in held if isinstance(one.key, Ed25519PublicKey)}


def signer(signed: bytes) -> str:
    """The id of the key that a verified head is signed with."""
    return str(jwt.get_unverified_header(signed)["kid"])


def verified(signed: bytes, keys: Mapping[str, Ed25519PublicKey], kind: str = SIGNED_TYPE) -> bytes:
    """The payload of a signed head. Raises TokenError, saying why, when it is not signed by one of `keys`."""
    try:
        header = jwt.get_unverified_header(signed)
        kid = header.get("kid")
        if header.get("typ") != kind or header.get("alg") != ALGORITHM:
            raise TokenError(f"not a signed head: typ {header.get('typ')!r}, alg {header.get('alg')!r}")
        if not isinstance(kid, str) or kid not in keys:
            raise TokenError(f"signed by a key that is not published: {kid!r}")
        payload: bytes = _JWS.decode_complete(signed, keys[kid], algorithms=[ALGORITHM])["payload"]
    except jwt.PyJWTError as error:
        raise TokenError(f"the signature of the head is not good: {error}") from error
    return payload
