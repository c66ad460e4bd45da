"""Drives a real browser in tests: Chromium without window and network, over the pipe of the DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import F_DUPFD, fcntl
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
]
# Chromium reads commands from descriptor 3 and writes to 4. Popen cannot assign descriptors, so this starter does.
_STARTER = "import os,sys; os.dup2(int(sys.argv[1]),3); os.dup2(int(sys.argv[2]),4); os.execv(sys.argv[3],sys.argv[3:])"


class Page:
    """One tab.

    Args:
        commands: descriptor that Chromium reads.
        answers: descriptor that Chromium writes.

    Attributes:
        events: DevTools events so far, in order.
    """

    def __init__(self, commands: int, answers: int) -> None:
        self.events: list[dict[str, Any]] = []
        self._commands, self._answers = commands, answers
        self._number, self._unparsed, self._session = 0, b"", ""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Sends a command and waits for its result."""
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next_message()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])
            self.events.append(answer)

    def open(self, path: Path) -> None:
        """Opens a file with the network off and waits until it is loaded; removes earlier events."""
        offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        self.call("Network.emulateNetworkConditions", **offline)
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        while not self.events_of("Page.loadEventFired"):
            self.events.append(self._next_message())

    def events_of(self, method: str) -> list[dict[str, Any]]:
        """The parameters of each event of a method so far."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def evaluate(self, expression: str) -> Any:
        """Evaluates a JavaScript expression in the page and waits for it if it is a promise; its value."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def press(self, key: str) -> None:
        """Presses and releases a key."""
        codes = {"Tab": 9, "PageUp": 33, "End": 35, "Home": 36, "ArrowLeft": 37, "ArrowRight": 39}
        for kind in ("rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=codes[key])

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Presses the left button, moves and releases it, in CSS pixels of the window."""
        for kind, (x, y) in (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def set_window(self, width: int, height: int, dark: bool = False) -> None:
        """Sets the window's size in CSS pixels and the preference for dark pages."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1}
        self.call("Emulation.setDeviceMetricsOverride", mobile=width < 600, **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self) -> NDArray[np.uint8]:
        """The drawn window: (rows, columns, 3) uint8, BGR."""
        data = self.call("Page.captureScreenshot", format="png")["data"]
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        return picture.astype(np.uint8, copy=False)

    def requests(self) -> list[str]:
        """Addresses that the page requested, without data URLs."""
        sent = [event["request"]["url"] for event in self.events_of("Network.requestWillBeSent")]
        return [url for url in sent if not url.startswith("data:")]

    def console_errors(self) -> list[str]:
        """Console messages: exceptions, and violations of the page's content security policy."""
        logged = [event["entry"]["text"] for event in self.events_of("Log.entryAdded")]
        return logged + [str(event) for event in self.events_of("Runtime.exceptionThrown")]

    def _next_message(self) -> dict[str, Any]:
        while b"\0" not in self._unparsed:
            more = os.read(self._answers, 1 << 20)
            assert more, "the browser ended"
            self._unparsed += more
        message, _, self._unparsed = self._unparsed.partition(b"\0")
        return dict(json.loads(message))


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """Starts a browser with an empty profile and yields a tab; both end with the context.

    Without Chromium the test is skipped, except in CI, where it fails.
    """
    if CHROMIUM is None and os.environ.get("CI") != "true":
        pytest.skip("needs Chromium")
    assert CHROMIUM, "CI installs Chromium"
    browser_in, our_out = os.pipe()
    our_in, browser_out = os.pipe()
    # Numbers from 10 on, so that dup2 to 3 and 4 overwrites neither of them.
    high = [fcntl(descriptor, F_DUPFD, 10) for descriptor in (browser_in, browser_out)]
    starter = [sys.executable, "-c", _STARTER, *map(str, high), CHROMIUM]
    process = subprocess.Popen(
        [*starter, *_FLAGS, f"--user-data-dir={profile}"],
        pass_fds=high,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for descriptor in (browser_in, browser_out, *high):
        os.close(descriptor)
    try:
        yield Page(our_out, our_in)
    finally:
        process.kill()
        process.wait()
        os.close(our_out)
        os.close(our_in)
