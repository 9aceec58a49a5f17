"""A headless Chromium, driven over the WebDriver protocol (W3C) by chromedriver: opens a page, runs scripts in it, tells what it logged
and asked the network for."""

import json
import re
import shutil
import subprocess
import tempfile
import time
import urllib.request


class Browser:
    """`open(path)`, then `run("return …")`; `console` and `requests` are since the page was opened."""

    def __init__(self):
        self.profile = tempfile.mkdtemp()
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.driver.stdout:
            if found := re.search(r"started successfully on port (\d+)", line):
                break
        else:
            raise RuntimeError("chromedriver did not start")
        self.base = f"http://127.0.0.1:{found[1]}/session"
        arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", f"--user-data-dir={self.profile}", "--window-size=1400,1000"]
        chrome = {"args": arguments, "binary": shutil.which("chromium")}
        wanted = {"browserName": "chrome", "goog:chromeOptions": chrome, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        self.base += "/" + self._call("POST", "", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def _call(self, method, path, body=None):
        request = urllib.request.Request(
            self.base + path, method=method, data=None if body is None else json.dumps(body).encode(), headers={"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None

    def close(self):
        try:
            self._call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait(20)
            shutil.rmtree(self.profile, ignore_errors=True)

    def open(self, path, scheme="light", width=1400):
        """Opens a file and waits until it says that it is ready or met a fault."""
        self._call("POST", "/url", {"url": "about:blank"})
        for kind in ("browser", "performance"):
            self._call("POST", "/se/log", {"type": kind})
        self._call("POST", "/window/rect", {"width": width, "height": 1000})
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._call("POST", "/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {"features": features}})
        self._call("POST", "/url", {"url": path.as_uri()})
        self.until("const told = document.documentElement.dataset; return told.state || told.fault || null")

    def until(self, script, act=lambda: None):
        """Acts and waits, again and again, until the script says so."""
        end = time.monotonic() + 30
        while True:
            act()
            if self.run(script):
                return
            assert time.monotonic() < end, f"never: {script}"
            time.sleep(0.1)

    def run(self, script, *arguments):
        return self._call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def press(self, key):
        """A key, where the focus is. "Enter", "Tab" or a character."""
        code = {"Enter": "\ue007", "Tab": "\ue004", "Escape": "\ue00c"}.get(key, key)
        actions = [{"type": kind, "value": code} for kind in ("keyDown", "keyUp")]
        self._call("POST", "/actions", {"actions": [{"type": "key", "id": "keys", "actions": actions}]})

    def click_at(self, x, y):
        actions = [{"type": "pointerMove", "x": int(x), "y": int(y)}, {"type": "pointerDown", "button": 0}, {"type": "pointerUp", "button": 0}]
        self._call("POST", "/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": actions}]})

    @property
    def console(self):
        return [entry["message"] for entry in self._call("POST", "/se/log", {"type": "browser"})]

    @property
    def requests(self):
        """The addresses that the page asked for, its own among them."""
        events = [json.loads(entry["message"])["message"] for entry in self._call("POST", "/se/log", {"type": "performance"})]
        asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [address for address in asked if not address.startswith(("chrome:", "about:"))]
