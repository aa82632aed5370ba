"""Where Deliveries may go: the checked address is the one connected to."""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta
from typing import Any

import pytest
from outside import receivers

from runwright.adapters.webhook import NotSent, Sender

_REFUSED = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "017700000001", "localhost",
    "127.255.255.254", "0.0.0.0", "0", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "100.64.0.1", "169.254.169.254", "2852039166", "0xa9fea9fe", "192.0.0.192", "198.18.0.1",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1",
    "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::ffff:169.254.169.254]",
    "[64:ff9b::7f00:1]", "[64:ff9b::169.254.169.254]", "[2002:7f00:1::]", "[2002:a9fe:a9fe::1]",
    "[fe80::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[2001:db8::1]", "[::127.0.0.1]",
    "127.0.0.1.", "ⓛocalhost", "[64:ff9b:1::1]", "[fec0::1]", "[3fff::1]", "192.88.99.1",
    "[::2]", "[2001::5601:5601]", "[64:ff9b::a00:1]",
]  # fmt: skip
_NO_ADDRESSES = {
    "0177.0.0.1": "Invalid IPv4 address|is refused: ",
    "017700000001": "Invalid IPv4 address|is refused: ",
    "127.0.0.1.": "does not resolve|is refused: ",
}
"""Not every system takes these for addresses at all."""
_NEVER = [
    "169.254.169.254", "0xa9fea9fe", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]",
    "[fe80::1]", "0.0.0.0", "[::]", "224.0.0.1", "[ff02::1]", "[2002:a9fe:a9fe::1]",
    "[2001::5601:5601]", "[::169.254.169.254]",
]  # fmt: skip


def _sender(*, allow_private: bool) -> Sender:
    return Sender(allow_private=allow_private, timeout=timedelta(seconds=3))


@pytest.mark.parametrize("host", _REFUSED)
async def test_no_way_of_writing_it_leads_to_a_private_address(host: str) -> None:
    sender = _sender(allow_private=False)

    for url in (f"http://{host}/x", f"https://{host}:8443/x", f"http://user@{host}/"):
        # It is not that nobody listens there.
        reason = _NO_ADDRESSES.get(host, "is refused: ")
        with pytest.raises(NotSent, match=reason):
            await sender.post(url, {}, b"{}")
        with pytest.raises(NotSent, match=reason):
            await sender.check(url)


@pytest.mark.parametrize(
    "host",
    [
        "93.184.216.34", "[2606:2800:220:1:248:1893:25c8:1946]", "[64:ff9b::808:808]",
        "[::ffff:8.8.8.8]", "[::808:808]", "[2002:808:808::1]", "[2001::f7f7:f7f7]",
    ],
)  # fmt: skip
async def test_a_public_address_is_not_refused(host: str) -> None:
    await _sender(allow_private=False).check(f"https://{host}/x")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.0.0.1", "[::1]", "[fd00::1]", "192.0.0.192", "[::ffff:10.0.0.1]"]
)
async def test_where_they_are_allowed_private_addresses_are_not_refused(host: str) -> None:
    await _sender(allow_private=True).check(f"http://{host}/x")


@pytest.mark.parametrize("host", _NEVER)
async def test_no_setting_opens_the_addresses_of_a_cloud_s_credentials(host: str) -> None:
    with pytest.raises(NotSent, match=r"is refused: .* is (link-local|not the address of a host)"):
        await _sender(allow_private=True).post(f"http://{host}/latest/meta-data", {}, b"{}")


async def test_a_host_that_changes_its_address_is_asked_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    async def rebinding(host: str, port: int, **_: Any) -> Any:
        """Answer with the receiver's address first, and with another ever after, as a hostile DNS does."""
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "127.0.0.66"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    with receivers.serving() as receiver:
        port = receiver.url.rpartition(":")[2].partition("/")[0]
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", rebinding)
        answer = await _sender(allow_private=True).post(f"http://re.bind:{port}/hook", {}, b"{}")

    assert answer.status_code == 200
    assert asked[0] == "re.bind"
    assert "re.bind" not in asked[1:]
    assert receiver.received[0][0]["host"] == f"re.bind:{port}"


async def test_a_redirect_is_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    with receivers.serving() as receiver:
        receiver.misdeed = "redirects"
        answer = await _sender(allow_private=True).post(receiver.url, {}, b"{}")

    assert answer.status_code == 302
    assert len(receiver.received) == 1
