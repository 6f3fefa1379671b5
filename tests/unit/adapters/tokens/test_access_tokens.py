"""Access tokens: what is accepted, and everything that is not."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.encryption.keyring import LocalKeyring
from adapters.tokens.access_tokens import JwtAccessTokens
from adapters.tokens.jws import sign_compact
from adapters.tokens.signing_keys import SigningKeys
from application.accounts.ports import AccessTokens, Authenticated
from application.vault.key_service import SigningPurpose
from domain.accounts.session import AccessTokenNotValid


def decoded(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


async def refuses(access_tokens: AccessTokens, text: str) -> bool:
    with pytest.raises(AccessTokenNotValid):
        await access_tokens.verify(text)
    return True


async def test_a_token_tells_who_it_was_issued_to(
    access_tokens: JwtAccessTokens, authenticated: Authenticated
) -> None:
    assert await access_tokens.verify(await access_tokens.issue(authenticated)) == authenticated


async def test_a_token_has_the_claims_of_the_profile(
    access_tokens: JwtAccessTokens, authenticated: Authenticated, keys: SigningKeys
) -> None:
    header, claims, _ = (await access_tokens.issue(authenticated)).split(".")
    (published,) = (await keys.published())["keys"]
    assert decoded(header) == {"alg": "EdDSA", "typ": "at+jwt", "kid": published["kid"]}
    assert set(decoded(claims)) == {
        *("iss", "aud", "sub", "tenant", "role", "sid", "iat", "nbf", "exp", "jti"),
        *("acr", "amr", "auth_time"),
    }
    told = decoded(claims)
    assert (told["acr"], told["amr"]) == ("mfa", ["pwd", "otp", "mfa"])
    assert told["auth_time"] == int(authenticated.auth_time.timestamp())
    assert decoded(claims)["exp"] - decoded(claims)["iat"] == 600


async def test_others_can_verify_a_token_with_the_published_key(
    access_tokens: JwtAccessTokens, authenticated: Authenticated, keys: SigningKeys
) -> None:
    """By cryptography itself, without the library that made the token."""
    framed, _, signature = (await access_tokens.issue(authenticated)).rpartition(".")
    (published,) = (await keys.published())["keys"]
    assert (published["kty"], published["crv"], published["use"]) == ("OKP", "Ed25519", "sig")
    assert "d" not in published
    public = Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(f"{published['x']}="))
    public.verify(base64.urlsafe_b64decode(signature + "=="), framed.encode())


async def test_a_token_ends_sharp(
    access_tokens: JwtAccessTokens, authenticated: Authenticated, time: Any
) -> None:
    text = await access_tokens.issue(authenticated)
    time.seconds += 599
    assert await access_tokens.verify(text) == authenticated
    time.seconds += 1
    assert await refuses(access_tokens, text)


async def test_a_clock_a_little_behind_accepts_and_one_far_behind_refuses(
    access_tokens: JwtAccessTokens, authenticated: Authenticated, time: Any
) -> None:
    text = await access_tokens.issue(authenticated)
    time.seconds -= 3
    assert await access_tokens.verify(text) == authenticated
    time.seconds -= 60
    assert await refuses(access_tokens, text)


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "Ed25519", "ES256", "", None])
async def test_no_other_algorithm_is_accepted(
    access_tokens: JwtAccessTokens, authenticated: Authenticated, algorithm: str | None
) -> None:
    header, claims, signature = (await access_tokens.issue(authenticated)).split(".")
    forged = encoded({**decoded(header), "alg": algorithm})
    assert await refuses(access_tokens, f"{forged}.{claims}.{signature}")
    assert await refuses(access_tokens, f"{forged}.{claims}.")


async def test_the_public_key_is_no_secret_to_sign_with(
    access_tokens: JwtAccessTokens, authenticated: Authenticated, keyring: LocalKeyring
) -> None:
    header, claims, _ = (await access_tokens.issue(authenticated)).split(".")
    framed = f"{encoded({**decoded(header), 'alg': 'HS256'})}.{claims}"
    public = await keyring.public_key(SigningPurpose.TOKENS)
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(public).decode()}
    for secret in (public, base64.b64encode(public), json.dumps(jwk).encode()):
        mac = hmac.digest(secret, framed.encode(), hashlib.sha256)
        forged = f"{framed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
        assert await refuses(access_tokens, forged)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("header", {"typ": "JWT"}),
        ("header", {"kid": "somebody-else"}),
        ("header", {"kid": None}),
        ("header", {"crit": ["exp"], "b64": False}),
        ("claims", {"iss": "https://elsewhere.example"}),
        ("claims", {"iss": None}),
        ("claims", {"aud": "another"}),
        ("claims", {"aud": None}),
        ("claims", {"exp": None}),
        ("claims", {"exp": "never"}),
        ("claims", {"exp": float("nan")}),
        ("claims", {"exp": True}),
        ("claims", {"nbf": 10**12}),
        ("claims", {"sub": "not-an-id"}),
        ("claims", {"tenant": None}),
        ("claims", {"tenant": 7}),
        ("claims", {"role": "root"}),
        ("claims", {"sid": None}),
        ("claims", {"acr": None}),
        ("claims", {"acr": "certain"}),
        ("claims", {"auth_time": None}),
        ("claims", {"auth_time": "then"}),
        ("claims", {"auth_time": 10**30}),
        ("claims", {"auth_time": float("nan")}),
        ("claims", {"jti": None}),
    ],
)
async def test_our_own_signature_does_not_excuse_a_wrong_token(
    access_tokens: JwtAccessTokens,
    authenticated: Authenticated,
    keyring: LocalKeyring,
    part: str,
    change: dict[str, Any],
) -> None:
    parts = (await access_tokens.issue(authenticated)).split(".")
    both = {"header": decoded(parts[0]), "claims": decoded(parts[1])}
    both[part].update(change)
    both[part] = {name: value for name, value in both[part].items() if value is not None}
    text = await sign_compact(keyring, SigningPurpose.TOKENS, **both)
    assert await refuses(access_tokens, text)


async def test_a_key_for_another_purpose_signs_no_access_token(
    access_tokens: JwtAccessTokens, authenticated: Authenticated, keyring: LocalKeyring
) -> None:
    header, claims, _ = (await access_tokens.issue(authenticated)).split(".")
    text = await sign_compact(
        keyring, SigningPurpose.RECEIPTS, header=decoded(header), claims=decoded(claims)
    )
    assert await refuses(access_tokens, text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(place=st.integers(0, 10**6), bit=st.integers(0, 6))
async def test_one_changed_character_is_one_too_many(
    access_tokens: JwtAccessTokens, authenticated: Authenticated, place: int, bit: int
) -> None:
    text = await access_tokens.issue(authenticated)
    place %= len(text)
    changed = text[:place] + chr(ord(text[place]) ^ 1 << bit) + text[place + 1 :]
    assert await refuses(access_tokens, changed)


@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,400}\.[\w-]{0,9}\.[\w-]{0,9}"))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
async def test_anything_that_is_no_token_is_refused(
    access_tokens: JwtAccessTokens, text: str
) -> None:
    assert await refuses(access_tokens, text)


@pytest.mark.parametrize(
    "text", ["[" * 380, '{"alg":' * 60, "9" * 380, '{"alg":"EdDSA","typ":"at+jwt","kid":{}}']
)
async def test_a_hostile_header_is_refused(access_tokens: JwtAccessTokens, text: str) -> None:
    part = base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()
    assert await refuses(access_tokens, f"{part}.e30.AAAA")


class Asked:
    """A signer that counts how often it is asked for its key."""

    def __init__(self, keyring: LocalKeyring) -> None:
        self.keyring = keyring
        self.count = 0

    async def sign(self, purpose: SigningPurpose, message: bytes) -> bytes:
        return await self.keyring.sign(purpose, message)

    async def public_key(self, purpose: SigningPurpose) -> bytes:
        self.count += 1
        return await self.keyring.public_key(purpose)


async def test_made_up_key_names_do_not_reach_the_key_service(
    keyring: LocalKeyring, time: Any
) -> None:
    signer = Asked(keyring)
    keys = SigningKeys(signer=signer, clock=time)
    for number in range(50):
        assert await keys.known(f"made-up-{number}") is None
    assert signer.count == 1
    time.seconds += 61
    assert await keys.known("made-up") is None
    assert signer.count == 2


async def test_a_token_outlives_a_change_of_the_signing_key(
    access_tokens: JwtAccessTokens,
    authenticated: Authenticated,
    keys: SigningKeys,
    tmp_path: Any,
    time: Any,
) -> None:
    before = await access_tokens.issue(authenticated)
    keys.signer = LocalKeyring.open(tmp_path / "another.json")
    time.seconds += 61
    after = await access_tokens.issue(authenticated)
    assert decoded(before.split(".")[0])["kid"] != decoded(after.split(".")[0])["kid"]
    assert await access_tokens.verify(before) == authenticated
    assert await access_tokens.verify(after) == authenticated
    assert len((await keys.published())["keys"]) == 2
