"""Seals secrets at rest: AES-256-GCM with a random nonce, bound to the record that holds the secret."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from runwright.errors import ConfigError

_VERSION = b"\x01"
_KEY_ID_BYTES = 4
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class _Key:
    """The keys derived from one secret."""

    id: bytes
    cipher: AESGCM
    signing: bytes


class Vault:
    """Seals with the current key; opens with it and its predecessors.

    A sealed value consists of version (1 byte), key id (4), nonce (12), ciphertext and tag.
    """

    def __init__(
        self, current: str, *older: str, read_again: Callable[[], Sequence[str]] | None = None
    ) -> None:
        """`read_again` returns the current secrets, for when another process has rotated them."""
        self._keys = [_derive(secret) for secret in (current, *older)]
        self._read_again = read_again

    @property
    def key_id(self) -> bytes:
        """The id of the sealing key, found at bytes 1 to 5 of a sealed value."""
        return self._keys[0].id

    def rotate(self, secret: str) -> None:
        """Seal with a new key from now on; earlier keys still open."""
        self._keys.insert(0, _derive(secret))

    def seal(self, value: bytes, *, record: str) -> bytes:
        """Seal a value so that it opens only as part of that record."""
        key, nonce = self._keys[0], os.urandom(_NONCE_BYTES)
        return _VERSION + key.id + nonce + key.cipher.encrypt(nonce, value, record.encode())

    def open(self, sealed: bytes, *, record: str) -> bytes:
        """Open a value that was sealed for that record.

        Raises:
            ConfigError: it was sealed with an unknown key or for another record, or was altered.
        """
        key_id, rest = sealed[1 : 1 + _KEY_ID_BYTES], sealed[1 + _KEY_ID_BYTES :]
        key = self._key(key_id)
        if key is None:
            raise ConfigError(
                "a secret in the database was sealed with another key: "
                "start with the `RUNWRIGHT_SECRET_KEY` (or key file) that sealed it"
            )
        try:
            return key.cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], record.encode())
        except InvalidTag as error:
            raise ConfigError(f"a sealed secret was altered or moved: {record}") from error

    def sign(self, text: str) -> str:
        """A signature (HMAC-SHA256, URL-safe) that only key holders can make."""
        return _signature(self._keys[0], text)

    def is_signed(self, text: str, signature: str) -> bool:
        """True when the signature is ours for that text."""
        given = signature.encode("utf-8", "replace")
        found = [hmac.compare_digest(_signature(key, text).encode(), given) for key in self._keys]
        return any(found)

    def _key(self, key_id: bytes) -> _Key | None:
        found = next((key for key in self._keys if key.id == key_id), None)
        if found is None and self._read_again is not None:
            self._keys = [_derive(secret) for secret in self._read_again()]
            found = next((key for key in self._keys if key.id == key_id), None)
        return found


def read_or_make_keys(file: Path) -> list[str]:
    """The secrets in the file (mode 0600), one per line, the sealing one first.

    Creates the file with a new secret if it does not exist.
    """
    with contextlib.suppress(FileExistsError):
        _write(file, [new_secret()], os.O_EXCL)
    return [line.strip() for line in file.read_text().splitlines() if line.strip()]


def add_key(file: Path, secret: str) -> None:
    """Put a secret first in the file, keeping only the previous one after it; all or nothing."""
    known = read_or_make_keys(file)
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    _write(temporary, [secret, known[0]], os.O_TRUNC)
    temporary.replace(file)


def new_secret() -> str:
    """A secret of 256 random bits."""
    return secrets.token_urlsafe(32)


def _write(file: Path, lines: Sequence[str], how: int) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | how, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write("".join(f"{line}\n" for line in lines))
        out.flush()
        os.fsync(out.fileno())


def _derive(secret: str) -> _Key:
    key = hashlib.sha256(b"runwright-vault:" + secret.encode()).digest()
    return _Key(
        id=hashlib.sha256(b"runwright-key-id:" + key).digest()[:_KEY_ID_BYTES],
        cipher=AESGCM(key),
        signing=hashlib.sha256(b"runwright-sign:" + key).digest(),
    )


def _signature(key: _Key, text: str) -> str:
    made = hmac.digest(key.signing, text.encode("utf-8", "surrogatepass"), "sha256")
    return base64.urlsafe_b64encode(made).decode().rstrip("=")
