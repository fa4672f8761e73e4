"""Debian's Chromium, headless, driven through its own chromedriver by selenium: nothing is downloaded."""

import json
import shutil

import pytest
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from conftest import wait_until

WIDE, PHONE = (1400, 900), (360, 720)

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # it cannot run as root with one; what it opens is ours
    "--disable-dev-shm-usage",  # containers have little
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--disable-background-networking",
)

# What is shown but not whole: hidden by its own edge, or beyond the page's. Not meant: what is only for a reader of the
# screen, and the titles of conversations.
CUT = """return Array.from(document.querySelectorAll('body *'))
  .filter(e => e.checkVisibility({visibilityProperty: true}) && !e.matches('.offscreen, .unseen, #conversations .open, input, option'))
  .filter(e => {
    const box = e.getBoundingClientRect();
    const cuts = e.clientWidth > 0 && e.scrollWidth > e.clientWidth && ['hidden', 'clip'].includes(getComputedStyle(e).overflowX);
    return cuts || box.left < 0 || box.right > innerWidth && !e.closest('.table');
  }).map(e => `<${e.localName} id="${e.id}" class="${e.getAttribute('class') ?? ''}"> ${e.textContent.slice(0, 40)}`)"""


class Browser:
    def __init__(self):
        paths = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
        missing = [name for name, path in paths.items() if not path]
        if missing:
            pytest.skip(f"no {' and no '.join(missing)}: scripts/setup --tests installs them on Debian 12")
        options = webdriver.ChromeOptions()
        options.binary_location = paths["chromium"]
        for flag in FLAGS:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(paths["chromedriver"]))
        self.forget()

    def close(self):
        self.driver.quit()

    def forget(self):
        """An empty page in light colours and full width; logs and what pages stored are gone."""
        self.command("Network.enable")
        self.driver.get("about:blank")
        for origin in getattr(self, "origins", ()):
            self.command("Storage.clearDataForOrigin", origin=origin, storageTypes="all")
        self.origins = set()
        self.look()
        self.requests = []
        self.driver.get_log("performance")
        self.driver.get_log("browser")

    def command(self, name, **parameters):
        return self.driver.execute_cdp_cmd(name, parameters)

    def look(self, size=WIDE, scheme="light"):
        """The size of the page, in px; colours as if the system were set to `scheme`."""
        self.command("Emulation.setDeviceMetricsOverride", width=size[0], height=size[1],
                     deviceScaleFactor=1, mobile=size == PHONE)
        self.command("Emulation.setTouchEmulationEnabled", enabled=size == PHONE)
        self.command("Emulation.setEmulatedMedia",
                     features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, url):
        self.origins.add("/".join(url.split("/")[:3]))
        self.driver.get(url)

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def all(self, selector):
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector):
        """The only element that matches and is shown; waits for it."""
        def shown():
            try:
                found = [e for e in self.all(selector) if e.is_displayed()]
            except StaleElementReferenceException:  # the page replaced it just now
                return None
            return found if len(found) == 1 else None

        return wait_until(f"one {selector} is shown", shown)[0]

    def texts(self, selector):
        return self.run("return Array.from(document.querySelectorAll(arguments[0]), e => e.textContent)",
                        selector)

    def until(self, what, script):
        """Waits until the expression is true in the page; returns its value."""
        return wait_until(what, lambda: self.run(f"return {script}"))

    def watch(self, selector, text):
        """From now on the page's `window.seen` says whether the node has ever had this text."""
        self.run("""const [selector, text] = arguments, node = document.querySelector(selector);
          window.seen = false;
          new MutationObserver(() => { window.seen ||= node.textContent === text; }).observe(node, {childList: true});""",
                 selector, text)

    def check_looks(self):
        """The page is light or dark as the system is, and fits."""
        colours = "const s = getComputedStyle(document.body); return [s.backgroundColor, s.color]"
        light = self.run(colours)
        self.look(scheme="dark")
        dark = self.run(colours)
        assert light[0] == "rgb(255, 255, 255)" and not set(light) & set(dark), (light, dark)
        self.check_fits()

    def check_fits(self):
        """On a wide screen and on a phone, where it stays, the page needs no scrolling sideways and cuts no text."""
        for size in (WIDE, PHONE):
            self.look(size)
            assert self.run("return document.documentElement.scrollWidth") <= size[0]
            cut = self.run(CUT)
            assert not cut, (size, cut)

    def press(self, *keys):
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def chord(self, modifier, key):
        webdriver.ActionChains(self.driver).key_down(modifier).send_keys(key).key_up(modifier).perform()

    def take_requests(self):
        """What pages asked for since the last look, as Chromium's log has it: {url, method, postData}."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [m["params"]["request"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        self.requests += sent
        return sent

    def foreign_requests(self):
        self.take_requests()
        own = (*self.origins, "data:", "about:", "blob:")
        return [r["url"] for r in self.requests if not r["url"].startswith(own)]

    def complaints(self):
        """What stands in the console: errors, and what the page's security policy refused."""
        return [entry["message"] for entry in self.driver.get_log("browser")]
