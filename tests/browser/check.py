"""Looks at a report in a headless Chromium: python3 check.py BROWSER SITE SCRATCH [SHOTS]

Every page at two widths and in both colours: no message on the console, no violation of the page's own policy, nothing
wider than the window, text that can be read against what is really behind it, and by keyboard a visible focus that goes
through the page in its order. Then what the history does with scripts and without them, and the theme switch without them.
Speaks the DevTools protocol over two pipes, so that no port is opened and nothing has to be installed. With SHOTS,
pictures of some pages are left in that folder. Exit 1 with a line for each fault.
"""

import base64
import json
import os
import pathlib
import subprocess
import sys

WIDTHS = {"phone": (390, 844), "desktop": (1280, 900)}
ARGUMENTS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-extensions --disable-dev-shm-usage --mute-audio --remote-debugging-pipe""".split()

READ = r"""
(() => {
  const faults = [];
  const wide = document.documentElement.scrollWidth - innerWidth;
  if (wide > 0) {
    const most = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll,.out,pre,.hide,.sprite"));
    faults.push(`${wide}px wider than the window: ${most.slice(0, 3).map(e => e.tagName + "." + e.className + " " + e.textContent.slice(0, 40))}`);
  }
  const parse = (text) => { const n = text.match(/[\d.]+/g).map(Number); return [n[0], n[1], n[2], n.length > 3 ? n[3] : 1]; };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const light = (c) => { const f = c.slice(0, 3).map(v => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2]; };
  const behind = (e) => { let layers = []; for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); layers.push(c); if (c[3] === 1) break; } return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]); };
  const seen = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  while (walker.nextNode() && texts < 20000) {
    const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !e.checkVisibility() || e.closest("script,style,svg,.hide,:disabled")) continue;
    texts += 1;
    const style = getComputedStyle(e), opacity = Number(style.opacity);
    const below = behind(e), front = parse(style.color); front[3] *= opacity;
    const a = light(over(front, below)), b = light(below), found = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const key = e.tagName + "." + e.className + style.color + below;
    if (found < 4.5 && !seen.has(key)) { seen.add(key); faults.push(`contrast ${found.toFixed(2)}: ${e.tagName}.${e.className} ${JSON.stringify(walker.currentNode.data.trim().slice(0, 40))}`); }
  }
  if (!texts) faults.push("no text at all");
  return faults;
})()
"""

FOCUS = r"""
(() => {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  const all = [...document.querySelectorAll("*")];
  let shown = e.matches(".theme input") ? e.nextElementSibling : e;
  const style = getComputedStyle(shown), box = shown.getBoundingClientRect();
  return { at: all.indexOf(e), name: e.tagName + "." + e.className + " " + (e.id || e.textContent.trim().slice(0, 30)),
    visible: parseFloat(style.outlineWidth) >= 2 && style.outlineStyle !== "none" && box.width > 0,
    inside: box.left >= -1 && box.right <= innerWidth + 1 };
})()
"""


class Browser:
    """A Chromium with one page, spoken to over two pipes."""

    def __init__(self, program, scratch):
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        # The protocol wants descriptors 3 and 4; dup2 leaves them open for the child alone.
        def place():
            first, second = os.dup(theirs_in), os.dup(theirs_out)
            os.dup2(first, 3)
            os.dup2(second, 4)
        pathlib.Path(scratch).mkdir(parents=True, exist_ok=True)
        environment = dict(os.environ, HOME=scratch, DBUS_SESSION_BUS_ADDRESS="disabled:")
        self.process = subprocess.Popen(
            [program, *ARGUMENTS, f"--user-data-dir={scratch}/profile", "about:blank"],
            preexec_fn=place, close_fds=False, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)
        os.close(theirs_in)
        os.close(theirs_out)
        self.read, self.write = os.fdopen(ours_in, "rb"), os.fdopen(ours_out, "wb", buffering=0)
        self.rest, self.number, self.session, self.told = b"", 0, None, []
        pages = [t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        self.session = self.call("Target.attachToTarget", targetId=pages[0]["targetId"], flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log", "Network"]:
            self.call(f"{domain}.enable")

    def message(self):
        while b"\0" not in self.rest:
            more = os.read(self.read.fileno(), 1 << 20)
            if not more:
                raise SystemExit("the browser went away")
            self.rest += more
        text, self.rest = self.rest.split(b"\0", 1)
        return json.loads(text)

    def call(self, method, **parameters):
        self.number += 1
        number = self.number
        message = {"id": number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.write.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self.message()
            if answer.get("id") == number:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']}")
                return answer["result"]
            self.told.append(answer)

    def open(self, url):
        self.told.clear()
        self.call("Page.navigate", url=url)
        while not any(message.get("method") == "Page.loadEventFired" for message in self.told):
            self.told.append(self.message())

    def value(self, expression):
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise SystemExit(f"{expression[:80]}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def complaints(self):
        """What the console said, and every address that was asked for beside the page."""
        found = []
        for message in self.told:
            method, content = message.get("method"), message.get("params", {})
            if method == "Log.entryAdded":
                found.append(f"console: {content['entry']['text']}")
            elif method == "Runtime.exceptionThrown":
                found.append(f"exception: {content['exceptionDetails'].get('text')}")
            elif method == "Runtime.consoleAPICalled":
                found.append(f"console: {content['args']}")
            elif method == "Network.requestWillBeSent" and content.get("type") != "Document":
                # The browser draws its own controls from such; the page's policy lets none in.
                if not content["request"]["url"].startswith("data:"):
                    found.append(f"asks for {content['request']['url'][:200]}")
            elif method == "Page.javascriptDialogOpening":
                found.append("a dialog was opened")
        return found

    def colours(self, mode):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": mode}])

    def size(self, width, height, mobile=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=mobile)

    def tab(self):
        for kind in ["rawKeyDown", "keyUp"]:
            self.call("Input.dispatchKeyEvent", type=kind, key="Tab", code="Tab", windowsVirtualKeyCode=9)

    def shot(self, path):
        picture = self.call("Page.captureScreenshot", format="png")["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(picture))

    def close(self):
        self.session = None
        try:
            self.call("Browser.close")
            self.process.wait(20)
        except (SystemExit, BrokenPipeError, subprocess.TimeoutExpired):
            self.process.kill()
        self.process.wait()


def keyboard(browser, page, faults):
    """Goes through a page by Tab: in its order, and always to be seen where one is."""
    before, first = -1, None
    for _ in range(60):
        browser.tab()
        focus = browser.value(FOCUS)
        if focus is None:
            break
        if first is None:
            first = focus
            if "skip" not in focus["name"]:
                faults.append(f"{page}: the first stop is {focus['name']}")
        if focus["at"] <= before:
            break
        before = focus["at"]
        if not focus["visible"]:
            faults.append(f"{page}: no sign of the focus on {focus['name']}")
        if not focus["inside"]:
            faults.append(f"{page}: the focus is outside the window on {focus['name']}")
    if first is None:
        faults.append(f"{page}: nothing can be reached by keyboard")


def history(browser, url, faults):
    """Filters with scripts; the whole table without."""
    shown = "[...document.querySelectorAll('#requests tbody tr')].filter(r => r.checkVisibility()).length"
    total = "document.querySelectorAll('#requests tbody tr').length"
    browser.open(url)
    rows = browser.value(total)
    if browser.value(shown) != min(rows, 50):
        faults.append(f"history: {browser.value(shown)} of {rows} shown at first")
    browser.value("var f = document.getElementById('f-outcome'); f.value = 'rejected'; f.dispatchEvent(new Event('input', {bubbles: true}))")
    wanted = browser.value("document.querySelectorAll('#requests tr[data-outcome=rejected]').length")
    if not wanted or browser.value(shown) != min(wanted, 50):
        faults.append(f"history: {browser.value(shown)} of {wanted} rejected shown")
    browser.value("var q = document.getElementById('f-q'); q.value = 'no such thing'; q.dispatchEvent(new Event('input', {bubbles: true}))")
    if browser.value(shown) != 0 or "No request fits" not in browser.value("document.getElementById('told').textContent"):
        faults.append("history: what does not fit is shown")
    address = browser.value("location.href")
    browser.open("about:blank")
    browser.open(address)
    if browser.value("document.getElementById('f-outcome').value") != "rejected":
        faults.append(f"history: {address} does not bring the filters back")
    faults.extend(f"history: {words}" for words in browser.complaints())
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(url)
    if browser.value(shown) != rows or browser.value("document.getElementById('filter').checkVisibility()"):
        faults.append("history without scripts: not the whole table, or filters that do nothing")
    back = "getComputedStyle(document.body).backgroundColor"
    browser.colours("light")
    light = browser.value(back)
    browser.value("document.getElementById('theme-dark').click()")
    if browser.value(back) == light:
        faults.append("the theme switch does nothing without scripts")
    browser.call("Emulation.setScriptExecutionDisabled", value=False)


def main(program, site, scratch, shots=None):
    site, faults = pathlib.Path(site).resolve(), []
    # Pages of kinds and outcomes are all alike, and so are those of most requests.
    pages = [site / "index.html", site / "history.html"]
    pages += sorted(site.glob("history-kind-*.html"))[:2] + sorted(site.glob("history-outcome-*.html"))[:1]
    pages += sorted((site / "requests").glob("*.html"))[:20]
    browser = Browser(program, scratch)
    try:
        for name, (width, height) in WIDTHS.items():
            browser.size(width, height, name == "phone")
            for mode in ["light", "dark"]:
                browser.colours(mode)
                for page in pages:
                    where = f"{page.name}, {name}, {mode}"
                    browser.open(page.as_uri())
                    found = browser.value(READ)
                    faults.extend(f"{where}: {words}" for words in found + browser.complaints())
                    if mode == "light":
                        keyboard(browser, where, faults)
                    if shots and page.name in ("index.html", "history.html"):
                        browser.shot(f"{shots}/{page.stem}-{name}-{mode}.png")
        history(browser, (site / "history.html").as_uri(), faults)
    finally:
        browser.close()
    print("\n".join(faults) or f"{len(pages)} pages, nothing to complain of")
    return 1 if faults or not pages else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
