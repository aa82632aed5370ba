"""What a person does to a watched page, as commands of the DevTools protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Error, Page

from runwright import protocol

Answer = protocol.Copied | protocol.Choices
Command = Callable[[str, dict[str, Any]], Awaitable[Any]]

_CONTROL, _META = 2, 4
_MOUSE_EVENTS = {
    "move": "mouseMoved",
    "down": "mousePressed",
    "up": "mouseReleased",
    "wheel": "mouseWheel",
}
_TEXT_OF_KEYS = {"Enter": "\r", "Tab": ""}
_MAX_COPY_LENGTH = 1_000_000
_SELECTED = """\
(() => {
  const field = document.activeElement;
  if (field && field.type !== 'password' && typeof field.selectionStart === 'number')
    return field.value.slice(field.selectionStart, field.selectionEnd);
  return String(document.getSelection() ?? '');
})()
"""
_LIST_AT = """\
(x, y) => {
  let found = document.elementFromPoint(x, y);
  while (found?.shadowRoot) {
    const inner = found.shadowRoot.elementFromPoint(x, y);
    if (!inner || inner === found) break;
    found = inner;
  }
  const list = found?.closest?.('select');
  return list && !list.multiple && list.size <= 1 && !list.disabled ? list : undefined;
}
"""
_OPTIONS = """\
function () {
  this.focus();
  return [...this.options].slice(0, 2000).map((option) => ({
    label: option.label.slice(0, 200),
    isDisabled: option.disabled || Boolean(option.parentElement?.disabled),
    isChosen: option.selected,
  }));
}
"""
_CHOOSE = """\
function (place) {
  if (!this.options[place] || this.options[place].disabled || this.selectedIndex === place) return;
  this.selectedIndex = place;
  this.dispatchEvent(new Event('input', { bubbles: true, composed: true }));
  this.dispatchEvent(new Event('change', { bubbles: true }));
}
"""


def replaces(new: protocol.Input, waiting: protocol.Input) -> bool:
    """True when an input supersedes one that still waits: the mouse has moved on."""
    return (
        new.page == waiting.page
        and new.action == waiting.action == "mouse"
        and new.details.get("event") == waiting.details.get("event") == "move"
    )


class Hand:
    """A person's actions on the pages of one Attempt, in order."""

    def __init__(self) -> None:
        self._list: str | None = None
        """The browser's handle of the select opened last."""
        self._is_press_ours = False
        """The press opened a select of ours, so the page must not see the release."""

    async def act(self, command: Command, page: Page, message: protocol.Input) -> Answer | None:
        """Perform the action; return what the person is to be shown as a result.

        Raises:
            playwright.async_api.Error: the page is gone.
            TimeoutError: the page does not answer.
        """
        details = message.details
        match message.action:
            case "mouse":
                return await self._point(command, details)
            case "key":
                await command("Input.dispatchKeyEvent", _key(details))
            case "text":
                await command("Input.insertText", {"text": details["text"]})
            case "copy":
                return protocol.Copied(text=await _copy(command))
            case "choose":
                await self._choose(command, details["place"])
            case "close":
                # Without a tab there would be no way to open another.
                if len(page.context.pages) > 1:
                    await page.close()
            case _:
                await _travel(command, message)
        return None

    async def _point(self, command: Command, details: dict[str, Any]) -> Answer | None:
        if details["event"] == "down" and details.get("button") == "left":
            found = await self._open_list(command, details)
            self._is_press_ours = found is not None
            if found is not None:
                return found
        if details["event"] == "up" and self._is_press_ours:
            self._is_press_ours = False
            return None
        await command("Input.dispatchMouseEvent", _mouse(details))
        return None

    async def _open_list(self, command: Command, details: dict[str, Any]) -> Answer | None:
        """The options of a select at that position: the browser would draw them outside the page."""
        place = f"({_LIST_AT})({float(details['x'])}, {float(details['y'])})"
        answer = await command("Runtime.evaluate", {"expression": place})
        handle = answer.get("result", {}).get("objectId")
        if handle is None:
            return None
        self._list = handle
        asked = {"objectId": handle, "functionDeclaration": _OPTIONS, "returnByValue": True}
        found = await command("Runtime.callFunctionOn", asked)
        return protocol.Choices(options=tuple(found["result"]["value"]))

    async def _choose(self, command: Command, place: int) -> None:
        if self._list is None:
            return
        asked = {
            "objectId": self._list,
            "functionDeclaration": _CHOOSE,
            "arguments": [{"value": place}],
        }
        self._list = None
        await command("Runtime.callFunctionOn", asked)


async def _travel(command: Command, message: protocol.Input) -> None:
    match message.action:
        case "navigate":
            # The page itself shows when an address fails to load.
            await command("Page.navigate", {"url": message.details["url"]})
        case "reload":
            await command("Page.reload", {})
        case "back":
            await _move_in_history(command, -1)
        case "forward":
            await _move_in_history(command, 1)
        case _:
            raise Error(f"unknown input: {message.action}")


async def _move_in_history(command: Command, steps: int) -> None:
    history = await command("Page.getNavigationHistory", {})
    place = history["currentIndex"] + steps
    if 0 <= place < len(history["entries"]):
        entry = history["entries"][place]["id"]
        await command("Page.navigateToHistoryEntry", {"entryId": entry})


async def _copy(command: Command) -> str:
    answer = await command("Runtime.evaluate", {"expression": _SELECTED, "returnByValue": True})
    return str(answer.get("result", {}).get("value", ""))[:_MAX_COPY_LENGTH]


def _mouse(details: dict[str, Any]) -> dict[str, Any]:
    event = details["event"]
    found: dict[str, Any] = {
        "type": _MOUSE_EVENTS[event],
        "x": details["x"],
        "y": details["y"],
        "modifiers": details.get("modifiers", 0),
        "buttons": details.get("buttons", 0),
    }
    if event == "wheel":
        return found | {"deltaX": details.get("dx", 0), "deltaY": details.get("dy", 0)}
    button = details.get("button", "none" if event == "move" else "left")
    return found | {"button": button, "clickCount": details.get("clicks", 0)}


def _key(details: dict[str, Any]) -> dict[str, Any]:
    key = details["key"]
    found: dict[str, Any] = {
        "key": key,
        "code": details.get("code", ""),
        "windowsVirtualKeyCode": details.get("keyCode", 0),
        "modifiers": details.get("modifiers", 0),
        "location": details.get("location", 0),
    }
    if details["event"] == "up":
        return found | {"type": "keyUp"}
    is_command = bool(found["modifiers"] & (_CONTROL | _META))
    text = _TEXT_OF_KEYS.get(key, key if len(key) == 1 else "")
    found["autoRepeat"] = bool(details.get("repeat"))
    if is_command or not text:
        return found | {"type": "rawKeyDown"}
    return found | {"type": "keyDown", "text": text}
