"""A real headless Chromium that shows pages and measures them, driven by the DevTools protocol over a pipe."""

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
SECONDS = 60  # for an answer
COMPLAINTS = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")
MEASURE = (Path(__file__).parent / "measure_page.js").read_text()


def program():
    """The Chromium that is installed; None where there is none."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


class Browser:
    """A Chromium; `show` opens a page in it.

    Attributes:
        complaints: events of the console and the log since the page was opened.
        requests: addresses that the page asked for, apart from itself and data URIs.
    """

    def __init__(self, folder):
        into, self._to = os.pipe()
        self._from, out = os.pipe()
        words = [program(), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
        words += ["--disable-dev-shm-usage", "--remote-debugging-pipe", f"--user-data-dir={folder}"]
        shell = ["bash", "-c", f'exec "$@" 3<&{into} 4>&{out}', "bash", *words]  # it reads from 3 and writes to 4
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(shell, pass_fds=(into, out), stdin=quiet, stdout=quiet, stderr=quiet)
        os.close(into)
        os.close(out)
        self._sent, self._rest, self._events, self._session = 0, b"", [], None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method, **parameters):
        """Calls a method of the protocol and waits for its result."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._sent:
            self._events.append(answer)
        assert "result" in answer, answer
        return answer["result"]

    def _next(self):
        deadline = time.monotonic() + SECONDS
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._from], [], [], max(0, deadline - time.monotonic()))
            block = os.read(self._from, 1 << 20) if ready else b""
            assert block, f"Chromium {'has ended' if ready else 'does not answer'}"
            self._rest += block
        message, _, self._rest = self._rest.partition(b"\0")
        return json.loads(message)

    def run(self, script):
        """The value of a JavaScript expression in the page."""
        found = self.send("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def show(self, page, *, width, dark):
        """Opens a file in a window of a width in pixels, and measures it as `measure_page.js` says."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.send("Emulation.setEmulatedMedia", features=[scheme])
        self._events.clear()
        self.send("Page.navigate", url=page.resolve().as_uri())
        self.run("new Promise(done => document.readyState == 'complete' ? done() : addEventListener('load', done))")
        measured = self.run(MEASURE)
        self.complaints = [str(event["params"])[:500] for event in self._events if event.get("method") in COMPLAINTS]
        sent = [event for event in self._events if event.get("method") == "Network.requestWillBeSent"]
        asked = [event["params"]["request"]["url"] for event in sent]
        self.requests = [url for url in asked if not url.startswith("data:") and url != page.resolve().as_uri()]
        return measured

    def press(self, key):
        """Presses a key, such as `Tab`."""
        for kind in ("rawKeyDown", "keyUp"):
            self.send("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=9)

    def screenshot(self, path):
        """Writes a PNG file of the whole page, to look at."""
        content = self.send("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(content))

    def close(self):
        """Ends it."""
        self._process.kill()
        self._process.wait()
        os.close(self._to)
        os.close(self._from)


def check(browser, page, *, width, dark):
    """Opens a page and makes sure of what every page of ours owes its reader; gives what was measured."""
    found = browser.show(page, width=width, dark=dark)
    low, high = (0, 60) if dark else (200, 255)
    levels = found["headings"]
    skipped = [pair for pair in itertools.pairwise(levels) if pair[1] > pair[0] + 1]
    faults = {
        "window": found["window"] != width and found["window"],
        "overflow": found["overflow"],
        "complaints": browser.complaints,
        "requests": browser.requests,
        "images": found["failedImages"],
        "links": found["missingTargets"],
        "without a name": found["unnamed"],
        "faint": found["faint"],
        "background": [part for part in found["background"] if not low <= part <= high],
        "language": not found["lang"],
        "title": not found["title"],
        "headings": levels[:1] != [1] or skipped,
        "empty": found["texts"] < 10,
    }
    faults = {name: what for name, what in faults.items() if what}
    if faults:
        raise AssertionError(faults)
    return found
