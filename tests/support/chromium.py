"""Drives headless Chromium as a person would use it: pages, forms, files, pictures of the screen. Over its debugging pipe, so no
port and no library is needed. `browser.py` has the rules for a machine without a browser."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support.browser import QUIET, found

SECONDS = 30.0


class Page:
    """One tab. Every call waits for its answer; `do` runs JavaScript in the page."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = os.fdopen(send, "wb", buffering=0), os.fdopen(receive, "rb")
        self._number, self._session = 0, None
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._ask("Page.enable")

    def open(self, url: str) -> None:
        self.do("window.taggerOld = true")
        error = self._ask("Page.navigate", url=url).get("errorText")
        assert not error, f"{url}: {error}"
        self.until("!window.taggerOld && document.readyState === 'complete'", url)

    def cookies(self, url: str, values: Mapping[str, str]) -> None:
        """These cookies instead of all others."""
        self._ask("Network.clearBrowserCookies")
        for name, value in values.items():
            self._ask("Network.setCookie", url=url, name=name, value=value)

    def emulate(self, method: str, **params: Any) -> None:
        """A command of the browser's own, such as `Emulation.setEmulatedMedia`."""
        self._ask(method, **params)

    def press(self, key: str) -> None:
        """A key goes down and up, as from a keyboard."""
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        code = {"Enter": 13, "Tab": 9, "Escape": 27}.get(key, ord(key.upper()) if len(key) == 1 else 0)
        what = {"key": key, "windowsVirtualKeyCode": code, **({"text": text} if text else {})}
        self._ask("Input.dispatchKeyEvent", type="keyDown", **what)
        self._ask("Input.dispatchKeyEvent", type="keyUp", **what)

    def click(self, selector: str, *, leaves: bool = False) -> None:
        """`leaves`: the click leads to another page, which is waited for."""
        self.until(f"document.querySelector({json.dumps(selector)})", selector)
        self.do(f"window.taggerOld = {json.dumps(leaves)}; document.querySelector({json.dumps(selector)}).click()")
        if leaves:
            self.until("!window.taggerOld && document.readyState === 'complete'", f"the page behind {selector}")

    def fill(self, selector: str, text: str) -> None:
        field = f"document.querySelector({json.dumps(selector)})"
        self.do(
            f"{field}.focus(); {field}.value = {json.dumps(text)}; {field}.dispatchEvent(new Event('change', {{bubbles: true}}))"
        )

    def choose_file(self, selector: str, file: Path) -> None:
        root = self._ask("DOM.getDocument")["root"]["nodeId"]
        node = self._ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        assert node, selector
        self._ask("DOM.setFileInputFiles", nodeId=node, files=[str(file)])

    def text(self, selector: str) -> str:
        return str(self.do(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def value(self, selector: str) -> str:
        return str(self.do(f"document.querySelector({json.dumps(selector)})?.value ?? ''"))

    def do(self, script: str) -> Any:
        answer = self._ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def until(self, script: str, what: str, seconds: float = SECONDS) -> None:
        self.until_true(lambda: self.do(f"Boolean({script})"), what, seconds)

    def until_true(self, look: Callable[[], Any], what: str, seconds: float = SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not look():
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
            time.sleep(0.05)

    def size(self, width: int, height: int) -> None:
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def picture(self, file: Path, width: int = 1100, height: int = 800, quality: int = 70) -> None:
        self.size(width, height)
        self.do("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))")
        shot = self._ask("Page.captureScreenshot", format="jpeg", quality=quality)
        file.write_bytes(base64.b64decode(shot["data"]))

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._send.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = json.loads(self._read())
            if answer.get("method") == "Page.javascriptDialogOpening":
                self._send.write(json.dumps({"id": 0, "method": "Page.handleJavaScriptDialog", "params": {"accept": True},
                                             "sessionId": self._session}).encode() + b"\0")  # fmt: skip
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return dict(answer["result"])

    def _read(self) -> bytes:
        message = bytearray()
        while (byte := self._receive.read(1)) != b"\0":
            assert byte, "the browser ended"
            message += byte
        return bytes(message)

    def close(self) -> None:
        self._send.close()
        self._receive.close()


@contextmanager
def opened(profile: Path) -> Iterator[Page]:
    """A browser with a profile of its own. Skips or fails where there is none, as `browser.found` says."""
    browser = found()
    its_read, send = os.pipe()
    receive, its_write = os.pipe()
    options = [*QUIET, "--remote-debugging-pipe", f"--user-data-dir={profile}", "--window-size=1100,800", "--lang=en"]
    script = f'exec "$@" 3<&{its_read} 4>&{its_write}'
    with (profile.parent / "chromium.log").open("wb") as log:
        command = ["bash", "-c", script, "bash", browser, *options]
        process = subprocess.Popen(command, pass_fds=(its_read, its_write), stdout=log, stderr=log, start_new_session=True)
    os.close(its_read)
    os.close(its_write)
    page = None
    try:
        page = Page(send, receive)
        yield page
    finally:
        if page is not None:
            page.close()  # the browser ends when its pipe does
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
