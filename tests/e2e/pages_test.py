"""The modules of the web pages, tested inside a browser by tests/web."""

import functools
import http.server
import os
import pathlib
import threading

ROOT = pathlib.Path(os.environ["GLINT_SOURCE_DIR"])


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
