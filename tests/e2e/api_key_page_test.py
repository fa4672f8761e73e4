"""The pages of a server that wants an API key, in a browser."""


def test_the_pages_ask_for_a_key_and_work_with_one(browser, start):
    server = start("--api-key", "page-key", "--served-model-name", "glint-tiny")
    browser.open(f"{server.url}/chat")
    browser.until("a key is asked for", "document.querySelector('#model').textContent.includes('wants an API key')")
    browser.one("#open-settings").click()
    browser.one("[name=apiKey]").send_keys("page-key")
    browser.one("dialog .primary").click()
    browser.until("the model is known", "document.querySelector('#model').textContent === 'glint-tiny'")
    for page, shown in (("status", "#server dd"), ("configure", "#answer *")):
        browser.open(f"{server.url}/{page}")
        browser.until(f"{page} works", f"document.querySelector('{shown}') !== null")
    complaints = browser.complaints()
    assert complaints and all("401" in one for one in complaints)
