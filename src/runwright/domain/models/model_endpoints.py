"""What may be asked of providers of language models, and where: the only paths that the gateway knows. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum


class Provider(StrEnum):
    """Whose protocol it is; any server that speaks it may answer."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GOOGLE = "google"

    @property
    def key_setting(self) -> str:
        """Return the variable that holds the operator's key."""
        return f"RUNWRIGHT_{self.name}_API_KEY"

    @property
    def url_setting(self) -> str:
        """Return the variable that holds another address than the provider's own."""
        return f"RUNWRIGHT_{self.name}_URL"


class Protocol(StrEnum):
    """How a request, its answer and its usage look."""

    MESSAGES = "messages"
    CHAT = "chat"
    RESPONSES = "responses"
    GENERATE = "generate"


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """One address of a provider."""

    provider: Provider
    protocol: Protocol
    path: str
    """Below the provider's address."""
    model: str | None = None
    """Where the path names it; the others have it in the body."""
    is_stream: bool | None = None
    """The same."""


NAMES = (
    "`/v1/messages`, `/v1/responses`, `/v1/chat/completions`, `/models/{model}:generateContent` "
    "and `/models/{model}:streamGenerateContent`"
)
"""What there is, for messages."""

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
# Clients put their own version before it, which the base URL may have already: or none.
_NAMED_IN_BODY = re.compile(r"(?:v1/)*(messages|chat/completions|responses)")
_GENERATE = re.compile(
    r"(?:(v1|v1beta|v1alpha|v1beta1)/)?(?:publishers/google/)?"
    r"models/([A-Za-z0-9][A-Za-z0-9._-]{0,127}):(generateContent|streamGenerateContent)"
)
_GOOGLE_VERSIONS = ("v1", "v1beta", "v1alpha")
_VERSION = re.compile(r"/v1(?:beta|alpha)?$")
_HAS_PATH = re.compile(r"https?://[^/]+/.+")


def find(path: str) -> Endpoint | None:
    """Return what a path below the gateway's address means, or None; two slashes are one."""
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
    """Return the URL of an endpoint; `base` is the operator's address, with the version or without."""
    own = base or _OWN_ADDRESSES[endpoint.provider]
    if endpoint.provider is Provider.OPENAI:
        # Other servers have other versions in their addresses; one without a path has OpenAI's.
        return f"{own}/{endpoint.path}" if _HAS_PATH.fullmatch(own) else f"{own}/v1/{endpoint.path}"
    path = f"v1/{endpoint.path}" if endpoint.provider is Provider.ANTHROPIC else endpoint.path
    return f"{_VERSION.sub('', own)}/{path}"
