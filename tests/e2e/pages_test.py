"""The modules of the web pages, tested inside a browser by tests/web; and the chat page before a server that answers
what a test wants it to: slowly, wrongly, with malice."""

import functools
import http.server
import json
import os
import pathlib
import queue
import threading

import pytest
from selenium.webdriver.common.keys import Keys

from conftest import wait_until

ROOT = pathlib.Path(os.environ["GLINT_SOURCE_DIR"])
PAGES = ROOT / "src/web/pages"
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css",
         ".svg": "image/svg+xml"}


class QuietServer:
    """An HTTP server on loopback, as long as the `with`."""

    def __init__(self, handler):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class FileHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def test_modules(browser):
    with QuietServer(functools.partial(FileHandler, directory=ROOT)) as server:
        browser.open(f"{server.url}/tests/web/unit.html")
        results = browser.until("the tests have run", "window.results")
    failed = [f"{result['claim']}: {result['error']}" for result in results if result["error"]]
    assert results and not failed, "\n".join(failed)


# ---- the chat page before a server of the test's own ------------------------------------------


class Script:
    """What the stand-in for glint answers: `say` puts a chunk into the answer that is being written. It sends no
    security policy: what the page does is tested, not what the browser would have prevented."""

    def __init__(self):
        self.model = "stand-in"
        self.refusal = None  # (status, body) instead of a stream
        self.requests = []
        self.lines = queue.Queue()
        self.readers_left = 0

    def say(self, **delta):
        self.send({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})

    def finish(self, reason="stop", tokens=3):
        usage = {"prompt_tokens": 4, "completion_tokens": tokens, "total_tokens": 4 + tokens}
        self.send({"choices": [{"index": 0, "delta": {}, "finish_reason": reason}], "usage": usage})
        self.lines.put(b"data: [DONE]\n\n")
        self.cut()

    def send(self, chunk):
        self.lines.put(b"data: " + json.dumps(chunk).encode() + b"\n\n")

    def cut(self):
        """The connection ends, also in the middle of an answer."""
        self.lines.put(None)


class StandIn(http.server.BaseHTTPRequestHandler):
    def __init__(self, script, *arguments):
        self.script = script
        super().__init__(*arguments)

    def log_message(self, *_):
        pass

    def answer(self, status, content_type, body):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/v1/models":
            model = {"id": self.script.model, "max_model_len": 1000}
            return self.answer(200, "application/json", json.dumps({"data": [model]}).encode())
        file = PAGES / ("chat/chat.html" if self.path == "/" else self.path.removeprefix("/web/"))
        return self.answer(200, TYPES[file.suffix], file.read_bytes())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.script.requests.append(json.loads(body))
        if self.script.refusal:
            return self.answer(self.script.refusal[0], "application/json", self.script.refusal[1])
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.send_lines()

    def send_lines(self):
        try:
            while (line := self.script.lines.get()) is not None:
                self.wfile.write(line)
        except OSError:
            self.script.readers_left += 1


@pytest.fixture
def script():
    return Script()


@pytest.fixture
def page(browser, script):
    with QuietServer(functools.partial(StandIn, script)) as server:
        browser.open(f"{server.url}/")
        browser.until("the model's name is shown", f"document.title.startsWith({json.dumps(script.model)})")
        yield browser
        script.cut()


def ask(page, text):
    page.one("#input").send_keys(text, Keys.ENTER)


def wait_for_answer(page):
    page.until("the answer is complete", "document.querySelector('.assistant:last-child')?.ariaBusy === 'false'"
               " && document.querySelector('#send').textContent === 'Send'")


def test_reasoning_is_folded_and_its_last_line_shown_while_it_grows(page, script):
    ask(page, "Why?")
    script.say(role="assistant")
    script.say(reasoning_content="First this.\nThen **that**")
    page.until("the line is shown", "document.querySelector('.peek')?.textContent === 'Then **that**'")
    assert page.one(".reasoning summary").text.startswith("Thinking…")
    assert not page.one(".reasoning").get_property("open")
    script.say(content="So.")
    script.finish()
    wait_for_answer(page)
    assert page.one(".reasoning summary").text.startswith("Thought for ")
    page.one(".reasoning summary").click()
    assert page.one(".reasoning .text").text == "First this.\nThen **that**"
    assert page.one(".markdown").text == "So."


def test_stop_ends_the_request_and_keeps_what_was_said(page, script):
    for how in ("button", "escape"):
        ask(page, how)
        script.say(content="One, two")
        page.until("it is shown", "document.querySelector('.assistant:last-child .markdown')"
                   "?.textContent === 'One, two'")
        assert page.one("#send").text == "Stop"
        if how == "button":
            page.one("#send").click()
        else:
            page.press(Keys.ESCAPE)
        wait_for_answer(page)
        script.say(content=", three")  # to nobody; the second finds the connection closed
        wait_until("the server notices", lambda: script.say() or script.readers_left == (1 if how == "button" else 2))
        script.lines.queue.clear()
    assert page.texts(".markdown") == ["One, two"] * 2
    assert all("stopped" in text for text in page.texts(".stats"))


def test_the_page_follows_the_answer_until_the_reader_scrolls_away(page, script):
    def say_and_see(text):
        script.say(content=f"\n\n{text}")
        page.until("it is shown", f"document.querySelector('.markdown')?.textContent.endsWith({json.dumps(text)})")
        return page.run("const m = document.querySelector('#messages');"
                        "return [m.scrollTop, m.scrollHeight - m.clientHeight - m.scrollTop < 2]")

    ask(page, "Tell me")
    script.say(content="line\n\n" * 100)
    top, is_at_end = say_and_see("one")
    assert top > 0 and is_at_end
    page.run("document.querySelector('#messages').scrollTop = 50")
    page.until("the page has seen it", "new Promise(done => requestAnimationFrame(() => requestAnimationFrame("
               "() => done(true))))")
    assert say_and_see("two") == [50, False]
    script.finish()


def test_an_answer_that_breaks_off_keeps_its_text_and_says_so(page, script):
    ask(page, "Tell me")
    script.say(content="Once upon")
    script.cut()
    wait_for_answer(page)
    assert page.one(".markdown").text == "Once upon"
    assert "broke off" in page.one(".error[role=alert]").text


def test_an_error_inside_the_stream_is_shown(page, script):
    ask(page, "Tell me")
    script.send({"error": {"message": "The model gave NaN."}})
    wait_for_answer(page)
    assert page.one(".error[role=alert]").text == "The model gave NaN."
    script.cut()


def test_a_refusal_is_shown_in_the_servers_words_and_can_be_tried_again(page, script):
    script.refusal = (400, json.dumps({"error": {"message": "top_p is 2; it must be at most 1."}}).encode())
    ask(page, "Tell me")
    wait_for_answer(page)
    assert page.one(".error[role=alert]").text == "top_p is 2; it must be at most 1."
    assert any("400" in line for line in page.complaints())  # Chromium's own line about it
    script.refusal = None
    page.one(".regenerate").click()
    script.say(content="Better.")
    script.finish()
    wait_for_answer(page)
    assert page.one(".markdown").text == "Better."
    assert script.requests[1]["messages"] == [{"role": "user", "content": "Tell me"}]


def test_a_reload_in_the_middle_keeps_what_was_written(page, script):
    ask(page, "Tell me")
    script.say(content="Once upon")
    page.until("it is shown", "document.querySelector('.markdown')?.textContent === 'Once upon'")
    script.say(content=" a time")  # too soon after the first piece to be saved by the clock
    page.until("it is shown", "document.querySelector('.markdown')?.textContent === 'Once upon a time'")
    page.driver.refresh()
    page.until("it is shown again", "document.querySelector('.markdown')?.textContent === 'Once upon a time'")
    assert "stopped" in page.one(".stats").text


EVIL = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'


@pytest.fixture
def evil_script(script):
    script.model = f"m {EVIL}"
    return script


def test_nothing_of_a_conversation_is_read_as_html(evil_script, page):
    script, link = evil_script, "[x](java" + "script:window.hacked=1)"
    ask(page, EVIL)
    script.say(reasoning_content=EVIL)
    script.say(content=f"{EVIL}\n\n{link}\n\n```{EVIL}\n{EVIL}\n```\n\n| {EVIL} |\n|--|\n| {EVIL} |\n")
    script.say(tool_calls=[{"index": 0, "id": EVIL, "function": {"name": EVIL, "arguments": json.dumps({EVIL: EVIL})}}])
    script.finish("tool_calls")
    wait_for_answer(page)
    page.one(".call textarea").send_keys(EVIL, Keys.ENTER)
    script.send({"error": {"message": EVIL}})
    wait_for_answer(page)
    page.one(".user .edit").click()
    page.press(Keys.ESCAPE)
    made = page.run("return [document.querySelectorAll('main img, main script, aside img, aside script, [onerror]').length,"
                    " window.hacked ?? null, document.querySelectorAll('a[href^=java]').length]")
    assert made == [0, None, 0]
    for where in (".user .text", ".reasoning .text", ".tool .text", ".error[role=alert]", ".call .name", "#model",
                  "#conversations .open", "pre code"):
        assert any(EVIL[:30] in text for text in page.texts(where)), where
    script.cut()


def test_code_is_copied_as_it_was_written(page, script):
    ask(page, "Code?")
    script.say(content="So:\n```c\n\tif (a < b) *p = '&';\n\n}\n```\n")
    script.finish()
    wait_for_answer(page)
    page.watch(".code-head .copy", "Copied")  # it says so for a moment only
    page.one(".code-head .copy").click()
    page.until("it is copied", "window.seen")
    page.one("#input").click()
    page.chord(Keys.CONTROL, "v")
    assert page.one("#input").get_property("value") == "\tif (a < b) *p = '&';\n\n}"


def test_a_conversation_goes_on_while_another_is_read(page, script):
    ask(page, "first")
    script.say(content="slowly")
    page.until("it is shown", "document.querySelector('.markdown')?.textContent === 'slowly'")
    page.chord(Keys.ALT, "n")
    assert page.texts(".message") == [] and page.one("#send").text == "Send"
    script.say(content=" but surely")
    script.finish()
    page.one("#conversations .open").click()
    wait_for_answer(page)
    assert page.one(".markdown").text == "slowly but surely"
