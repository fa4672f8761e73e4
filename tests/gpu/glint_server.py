"""A glint server for the scripts beside this file, with the standard library alone."""

import http.client
import json
import os
import re
import signal
import subprocess
import tempfile
import time
import urllib.parse

START_S = 300  # 60 GB are read in well under this
REQUEST_S = 600


class Client:
    def __init__(self, url):
        self.url = url
        self.address = urllib.parse.urlsplit(url)

    def request(self, method, path, body=None):
        connection = http.client.HTTPConnection(
            self.address.hostname, self.address.port, timeout=REQUEST_S
        )
        text = None if body is None else json.dumps(body)
        connection.request(method, path, text, {"Content-Type": "application/json"})
        response = connection.getresponse()
        answer = response.read().decode()
        connection.close()
        if response.status != 200:
            raise RuntimeError(f"{method} {path}: {response.status} {answer[:500]}")
        return answer

    def generate(self, body):
        return json.loads(self.request("POST", "/generate", body))

    def flush_cache(self):
        self.request("POST", "/flush_cache")

    def counter(self, name):
        """0 where the server does not have it."""
        found = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", self.request("GET", "/metrics"), re.M)
        return float(found.group(1)) if found else 0


class Server(Client):
    """`glint serve` with these flags on a free port, until the with statement ends."""

    def __init__(self, bin_dir, *flags):
        self.log = tempfile.TemporaryFile()
        command = [bin_dir / "glint", "serve", *flags, "--port", "0"]
        self.process = subprocess.Popen([str(part) for part in command], stderr=self.log)
        super().__init__(f"http://127.0.0.1:{self.wait_for_port()}")

    def wait_for_port(self):
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            found = re.search(r"listening on http://[^ ]*:(\d+)\n", self.stderr())
            if found:
                return found.group(1)
            if self.process.poll() is not None:
                raise RuntimeError(f"glint serve ended:\n{self.stderr()}")
            time.sleep(0.05)
        self.process.kill()
        raise RuntimeError(f"glint serve does not listen after {START_S} s:\n{self.stderr()}")

    def stderr(self):
        # Not read(), which would move the place that the server writes at.
        return os.pread(self.log.fileno(), 1 << 20, 0).decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)
