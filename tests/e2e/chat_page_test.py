"""The chat page of a glint server with the bundled model, in a browser."""

import json
import re

import pytest
from selenium.webdriver.common.keys import Keys

from browser import PHONE


@pytest.fixture
def page(browser, bundled):
    browser.open(f"{bundled.url}/")
    browser.until("the page is ready", "document.title.startsWith('glint-small')")
    return browser


def wait_for_answers(page, count):
    page.until(f"{count} answers are complete", f"document.querySelectorAll('.assistant').length === {count} && "
               "!document.querySelector('[aria-busy=true]') && document.querySelector('#send').textContent === 'Send'")


def ask(page, text):
    before = len(page.all(".assistant"))
    page.one("#input").send_keys(text, Keys.ENTER)
    wait_for_answers(page, before + 1)


def sent(page):
    """The bodies of the chat requests since the last look."""
    return [json.loads(r["postData"]) for r in page.take_requests() if r["url"].endswith("/v1/chat/completions")]


def set_up(page, fill):
    """Opens the settings, lets `fill` write into them, saves."""
    page.chord(Keys.ALT, "s")
    page.one("dialog[open]")
    fill()
    page.one("dialog .primary").click()
    page.until("the dialog is closed", "!document.querySelector('dialog').open")


def test_a_browser_gets_the_page_and_others_a_line(bundled):
    html = "text/html,application/xhtml+xml,*/*;q=0.8"
    status, text = bundled.request("GET", "/", headers={"Accept": html})
    assert status == 200 and text.startswith("<!doctype html>")
    status, text = bundled.request("GET", "/", headers={"Accept": "*/*"})
    assert status == 200 and text == "glint is running"


def test_an_answer_with_its_reasoning_folded(page):
    ask(page, "What is 15% of 240?")
    assert "36" in page.one(".markdown").text
    assert re.fullmatch(r"Thought for [\d.]+ s \(\d+ tokens\)", page.one(".reasoning summary").text)
    assert not page.one(".reasoning").get_property("open")
    page.one(".reasoning summary").click()
    assert "240" in page.one(".reasoning .text").text
    assert re.match(r"\d+ tokens · [\d.]+ tok/s", page.one(".stats").text)
    assert re.fullmatch(r"\d+ of 8,192 tokens", page.one("#context").text)


def test_thinking_off(page):
    page.chord(Keys.ALT, "t")
    ask(page, "What is 15% of 240?")
    assert sent(page)[0]["chat_template_kwargs"] == {"enable_thinking": False}
    assert "36" in page.one(".markdown").text
    assert not [e for e in page.all(".reasoning") if e.is_displayed()]
    page.driver.refresh()
    page.until("the switch is as it was left", "document.title.startsWith('glint') && "
               "!document.querySelector('#thinking').checked")


def test_a_tool_is_called_and_given_its_result(page):
    set_up(page, lambda: page.one("dialog .example").click())
    ask(page, "What's the weather in Beijing?")
    assert page.one(".call .name").text == "get_weather"
    assert json.loads(page.one(".call pre").text) == {"location": "Beijing"}
    page.one(".call textarea").send_keys("22°C and sunny", Keys.ENTER)
    wait_for_answers(page, 2)
    assert page.one(".tool .text").text == "22°C and sunny"
    assert "22" in page.texts(".markdown")[1]
    assert not [e for e in page.all(".call form") if e.is_displayed()]
    with_result = sent(page)[1]["messages"]
    assert [m["role"] for m in with_result] == ["user", "assistant", "tool"]
    assert with_result[1]["tool_calls"][0]["id"] == with_result[2]["tool_call_id"]


def test_settings_are_sent_and_kept(page):
    def fill():
        for name, value in {"system": "Be brief.", "temperature": "0", "max_tokens": "7", "stop": "zzz\nyyy"}.items():
            page.one(f"dialog [name={name}]").send_keys(value)

    set_up(page, fill)
    ask(page, "My name is Clara.")
    request = sent(page)[0]
    assert {name: request.get(name) for name in ("temperature", "max_tokens", "stop", "top_p", "tools")} == {
        "temperature": 0, "max_tokens": 7, "stop": ["zzz", "yyy"], "top_p": None, "tools": None}
    assert request["messages"][0] == {"role": "system", "content": "Be brief."}
    assert "ended at the limit of tokens" in page.one(".stats").text
    page.driver.refresh()
    page.until("it listens to keys", "document.title.startsWith('glint-small')")
    page.chord(Keys.ALT, "s")
    assert page.one("dialog [name=max_tokens]").get_property("value") == "7"
    page.press(Keys.ESCAPE)


def test_a_setting_out_of_range_is_not_saved(page):
    page.chord(Keys.ALT, "s")
    page.one("dialog [name=top_p]").send_keys("3")
    page.one("dialog .primary").click()
    assert page.run("return document.querySelector('dialog').open && !document.querySelector('dialog form').checkValidity()")
    page.one("dialog [name=top_p]").clear()
    page.one("dialog [name=tools]").send_keys("{")
    page.one("dialog .primary").click()
    assert "not valid JSON" in page.one(".tools-problem").text
    page.one("dialog .cancel").click()
    ask(page, "Hello")
    request = sent(page)[0]
    assert "tools" not in request and "top_p" not in request


def test_edit_regenerate_and_the_versions_they_leave(page):
    ask(page, "What is 15% of 240?")
    page.press(Keys.ARROW_UP)
    editor = page.one(".editor textarea")
    assert editor.get_property("value") == "What is 15% of 240?"
    editor.clear()
    editor.send_keys("What is 10% of 240?", Keys.ENTER)
    page.until("the edited message is answered", "document.querySelector('.user .text').textContent === "
               "'What is 10% of 240?' && document.querySelector('.markdown')?.textContent.includes('24')")
    wait_for_answers(page, 1)
    assert "24" in page.one(".markdown").text
    assert page.one(".user .versions span").text == "2 / 2"
    page.one(".regenerate").click()
    page.until("another answer stands beside it", "document.querySelector('.assistant .versions')"
               ".textContent.includes('2 / 2')")
    wait_for_answers(page, 1)
    page.one(".user .versions button:first-child").click()
    assert page.one(".user .text").text == "What is 15% of 240?" and "36" in page.one(".markdown").text


def test_conversations_are_kept_renamed_and_deleted(page):
    ask(page, "What is 15% of 240?")
    page.chord(Keys.ALT, "n")
    ask(page, "My name is Clara.")
    page.driver.refresh()
    page.until("the open one is shown again", "document.querySelector('.user .text')?.textContent === 'My name is Clara.'")
    page.until("both are listed", "Array.from(document.querySelectorAll('#conversations .open'), one => one.textContent)"
               ".join() === 'My name is Clara.,What is 15% of 240?'")
    page.one("#conversations li:last-child .open").click()
    page.until("the other is shown", "document.querySelector('.user .text')?.textContent === 'What is 15% of 240?'")
    page.one("#conversations li:last-child .rename").click()
    page.press("Percent", Keys.ENTER)
    page.until("it has its new title", "document.querySelector('#conversations li:last-child .open').textContent === 'Percent'")
    page.one("#conversations li:last-child .open").click()
    page.one("#conversations li:last-child .remove").click()
    assert page.one("#conversations li:last-child .remove").text == "Delete?"
    page.one("#conversations li:last-child .remove").click()
    page.until("one is left", "document.querySelectorAll('#conversations li').length === 1")
    page.driver.refresh()
    page.until("the other is still there", "document.querySelectorAll('#conversations li').length === 1")


def test_it_says_whether_conversations_are_kept(page, bundled):
    assert page.one("#kept").text == "Conversations stay in this browser."
    assert not page.run("return document.querySelector('#not-kept').checkVisibility()")
    without = page.command("Page.addScriptToEvaluateOnNewDocument", source="delete Window.prototype.indexedDB; delete self.indexedDB")
    try:
        page.driver.refresh()
        assert page.one("#not-kept").text.startswith("This browser keeps nothing here")
        assert not page.run("return document.querySelector('#kept').checkVisibility()")
    finally:
        page.command("Page.removeScriptToEvaluateOnNewDocument", **without)


def test_light_dark_and_narrow(page):
    ask(page, "What is 15% of 240?")
    page.check_looks()


def test_on_a_phone_the_list_slides_in_and_out(page):
    ask(page, "Hello")
    page.look(PHONE)
    assert not page.run("return document.querySelector('#sidebar').checkVisibility({visibilityProperty: true})")
    page.one("#menu").click()
    page.one("#conversations .open").click()
    page.until("it is gone", "!document.querySelector('#sidebar').checkVisibility({visibilityProperty: true})")
    page.one("#menu").click()
    page.press(Keys.ESCAPE)
    page.until("it is gone", "!document.querySelector('#sidebar').checkVisibility({visibilityProperty: true})")


def test_on_a_touch_screen_enter_is_a_new_line(page):
    page.look(PHONE)
    page.one("#input").send_keys("Hello", Keys.ENTER, "there")
    assert page.one("#input").get_property("value") == "Hello\nthere"
    page.one("#send").click()
    wait_for_answers(page, 1)
    assert page.one(".user .text").text == "Hello\nthere"


def test_two_pages_do_not_write_over_each_other(page, bundled):
    ask(page, "My name is Clara.")
    first = page.driver.current_window_handle
    page.driver.switch_to.new_window("tab")
    try:
        page.driver.get(f"{bundled.url}/")
        page.one("#conversations .open").click()
        page.until("it is open here too", "document.querySelector('.user')")
        ask(page, "What is my name?")
        page.driver.switch_to.window(first)
        page.until("the first page has it too", "document.querySelectorAll('.user').length === 2")
        ask(page, "Thank you.")
        assert len(page.all(".user")) == 3
    finally:
        page.driver.switch_to.window(next(w for w in page.driver.window_handles if w != first))
        page.driver.close()
        page.driver.switch_to.window(first)


def test_everything_is_reached_with_the_keyboard(page):
    ask(page, "What is 15% of 240?")
    reached = set()
    for _ in range(30):
        page.press(Keys.TAB)
        reached.add(page.run("const e = document.activeElement; return e.id || e.className || e.textContent"))
    for what in ("new", "open", "quiet rename", "quiet remove", "open-settings", "quiet copy", "quiet edit",
                 "quiet regenerate", "thinking", "send", "input", "Status"):
        assert what in reached, (what, reached)
