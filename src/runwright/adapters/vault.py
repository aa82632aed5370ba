"""Seals secrets at rest: AES-256-GCM, a random nonce each, bound to the record that holds them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from runwright.errors import ConfigError

_VERSION = b"\x01"
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12


class Vault:
    """Seals and opens values with one key.

    A sealed value is version (1 byte), key id (4), nonce (12), ciphertext and tag.
    """

    def __init__(self, secret: str) -> None:
        key = hashlib.sha256(b"runwright-vault:" + secret.encode()).digest()
        self._signing_key = hashlib.sha256(b"runwright-sign:" + key).digest()
        self._cipher = AESGCM(key)
        self._key_id = hashlib.sha256(b"runwright-key-id:" + key).digest()[:_KEY_ID_BYTES]

    def seal(self, value: bytes, *, record: str) -> bytes:
        """Seal a value so that it opens only as part of that record."""
        nonce = os.urandom(_NONCE_BYTES)
        return _VERSION + self._key_id + nonce + self._cipher.encrypt(nonce, value, record.encode())

    def open(self, sealed: bytes, *, record: str) -> bytes:
        """Return the value that was sealed for that record.

        Raises:
            ConfigError: it was sealed with another key, for another record, or altered since.
        """
        key_id, rest = sealed[1 : 1 + _KEY_ID_BYTES], sealed[1 + _KEY_ID_BYTES :]
        if key_id != self._key_id:
            raise ConfigError(
                "a secret in the database was sealed with another key: "
                "start with the `RUNWRIGHT_SECRET_KEY` (or key file) that it was sealed with"
            )
        try:
            return self._cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], record.encode())
        except InvalidTag as error:
            raise ConfigError(f"a sealed secret was altered or moved: {record}") from error

    def sign(self, text: str) -> str:
        """Return a signature (HMAC-SHA256, URL-safe) that nobody else can make."""
        made = hmac.digest(self._signing_key, text.encode("utf-8", "surrogatepass"), "sha256")
        return base64.urlsafe_b64encode(made).decode().rstrip("=")

    def is_signed(self, text: str, signature: str) -> bool:
        """Return whether the signature is ours for that text."""
        return hmac.compare_digest(self.sign(text).encode(), signature.encode("utf-8", "replace"))


def read_or_make_key(file: Path) -> str:
    """Return the key in the file (mode 0600), making one of 256 random bits the first time."""
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file.read_text().strip()
    with os.fdopen(descriptor, "w") as out:
        key = secrets.token_urlsafe(32)
        out.write(key + "\n")
    return key
