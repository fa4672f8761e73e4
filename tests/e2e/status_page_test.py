"""The status page of a glint server, in a browser."""

from selenium.webdriver.common.keys import Keys

from conftest import wait_until


def test_light_dark_and_narrow(browser, server):
    browser.open(f"{server.url}/status")
    browser.check_looks()


# The browser is closed first: a page whose server is gone complains.
def test_it_shows_what_runs(start, browser):
    server = start("--max-total-tokens", 1024, "--served-model-name", "glint-tiny")
    browser.open(f"{server.url}/status")
    browser.until("it is live", "document.querySelector('#state').textContent.startsWith('live')")
    body = {"text": "word " * 100, "sampling_params": {"ignore_eos": True, "max_new_tokens": 100}}
    for _ in range(3):
        server.post("/generate", body)
    wait_until("the plots have risen", lambda: risen(browser) >= {"Output", "Prompts", "KV cache", "Cache hits",
                                                                  "Time to first token", "Time between tokens"})
    assert browser.texts("#model") == ["glint-tiny"]
    wait_until("all have ended there", lambda: totals(browser)["requests ended"] == "3")
    assert totals(browser)["KV rows"] == "1,024"
    browser.all(".plot .area")[0].send_keys(Keys.ARROW_LEFT)
    assert browser.run("return document.querySelector('.plot .area').ariaLabel").startswith("Requests: running ")


def totals(browser):
    return dict(zip(browser.texts("#totals dt"), browser.texts("#totals dd")))


def risen(browser):
    """The titles of the plots that have a line which leaves the ground."""
    return set(browser.run("""return Array.from(document.querySelectorAll('.plot'))
      .filter(plot => Array.from(plot.querySelectorAll('.line'), line => line.getAttribute('d') ?? '').join('')
        .match(/ [\\d.]+/g)?.some(y => Number(y) < 118))
      .map(plot => plot.querySelector('strong').textContent)"""))


def test_it_says_when_the_server_is_gone(browser, start):
    server = start()
    browser.open(f"{server.url}/status")
    browser.until("it is live", "document.querySelector('#state').textContent.startsWith('live')")
    server.stop()
    browser.until("it says so", "document.querySelector('#state').textContent.startsWith('no answer since')")
    browser.run("window.stop()")
    browser.open("about:blank")  # it asks no more
    assert browser.complaints()  # Chromium's own lines about it
