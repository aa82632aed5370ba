"""The endpoints of language model providers that the gateway supports; it knows no other paths. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Provider(StrEnum):
    """The provider whose protocol is used; any server that speaks it will do."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GOOGLE = "google"

    @property
    def key_setting(self) -> str:
        """The variable that holds the operator's key."""
        return f"RUNWRIGHT_{self.name}_API_KEY"

    @property
    def url_setting(self) -> str:
        """The variable that overrides the provider's own URL."""
        return f"RUNWRIGHT_{self.name}_URL"


class Protocol(StrEnum):
    """The format of requests, responses and usage."""

    MESSAGES = "messages"
    CHAT = "chat"
    RESPONSES = "responses"
    GENERATE = "generate"


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """One endpoint of a provider."""

    provider: Provider
    protocol: Protocol
    path: str
    """Relative to the provider's URL."""
    model: str | None = None
    """Set if the path names the model; otherwise the body does."""
    is_stream: bool | None = None
    """Set if the path decides it; otherwise the body does."""


NAMES = (
    "`/v1/messages`, `/v1/responses`, `/v1/chat/completions`, `/models/{model}:generateContent` "
    "and `/models/{model}:streamGenerateContent`"
)
"""The supported paths, for use in messages."""

_OWN_ADDRESSES = {
    Provider.ANTHROPIC: "https://api.anthropic.com",
    Provider.OPENAI: "https://api.openai.com/v1",
    Provider.GOOGLE: "https://generativelanguage.googleapis.com",
}
_IN_BODY = {
    "messages": (Provider.ANTHROPIC, Protocol.MESSAGES),
    "chat/completions": (Provider.OPENAI, Protocol.CHAT),
    "responses": (Provider.OPENAI, Protocol.RESPONSES),
}
# Clients may add a version of their own, even if the base URL already has one.
_NAMED_IN_BODY = re.compile(r"(?:v1/)*(messages|chat/completions|responses)")
_GENERATE = re.compile(
    r"(?:(v1|v1beta|v1alpha|v1beta1)/)?(?:publishers/google/)?"
    r"models/([A-Za-z0-9][A-Za-z0-9._-]{0,127}):(generateContent|streamGenerateContent)"
)
_GOOGLE_VERSIONS = ("v1", "v1beta", "v1alpha")
_VERSION = re.compile(r"/v1(?:beta|alpha)?$")
_HAS_PATH = re.compile(r"https?://[^/]+/.+")


def find(path: str) -> Endpoint | None:
    """The endpoint for a path below the gateway's URL, or None; repeated slashes count as one."""
    plain = re.sub(r"/{2,}", "/", path).strip("/")
    if (named := _NAMED_IN_BODY.fullmatch(plain)) is not None:
        provider, protocol = _IN_BODY[named[1]]
        return Endpoint(provider=provider, protocol=protocol, path=named[1])
    if (found := _GENERATE.fullmatch(plain)) is None:
        return None
    version = found[1] if found[1] in _GOOGLE_VERSIONS else "v1beta"
    return Endpoint(
        provider=Provider.GOOGLE,
        protocol=Protocol.GENERATE,
        path=f"{version}/models/{found[2]}:{found[3]}",
        model=found[2],
        is_stream=found[3] == "streamGenerateContent",
    )


def address(endpoint: Endpoint, base: str | None) -> str:
    """The URL of an endpoint; `base` is the operator's URL, with or without a version."""
    own = base or _OWN_ADDRESSES[endpoint.provider]
    if endpoint.provider is Provider.OPENAI:
        # Other servers may use other versions in their URLs; one without a path gets OpenAI's.
        return f"{own}/{endpoint.path}" if _HAS_PATH.fullmatch(own) else f"{own}/v1/{endpoint.path}"
    path = f"v1/{endpoint.path}" if endpoint.provider is Provider.ANTHROPIC else endpoint.path
    return f"{_VERSION.sub('', own)}/{path}"
