"""A server of files by ranges, on this machine alone, that lets each request wait.

    python benchmarks/slow_server.py FOLDER MILLISECONDS

Prints its port; /requests answers how many there were since it was last asked. Ends when its standard input does.
"""

import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

RANGE = re.compile(r"bytes=(\d+)-(\d+)")


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    protocol_version = "HTTP/1.1"  # connections stay
    folder = Path()
    delay = 0.0
    asked = 0
    lock = threading.Lock()

    def do_HEAD(self) -> None:
        """Say how long a file is."""
        self._answer(body=False)

    def do_GET(self) -> None:
        """Send a file, or a range of it."""
        if self.path == "/requests":
            with Handler.lock:
                text, Handler.asked = str(Handler.asked).encode(), 0
            self._head(200, len(text))
            self.wfile.write(text)
            return
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        with Handler.lock:
            Handler.asked += 1
        time.sleep(self.delay)
        path = self.folder / self.path.lstrip("/")
        if not path.is_file():
            self._head(404, 0)
            return
        size = path.stat().st_size
        asked = RANGE.fullmatch(self.headers.get("Range", ""))
        start, stop = (int(asked[1]), min(int(asked[2]) + 1, size)) if asked else (0, size)
        self._head(206 if asked else 200, stop - start, f"bytes {start}-{stop - 1}/{size}" if asked else "")
        if body:
            with open(path, "rb") as file:
                self.connection.sendfile(file, start, stop - start)

    def _head(self, code: int, length: int, part: str = "") -> None:
        self.send_response(code)
        self.send_header("Content-Length", str(length))
        self.send_header("Accept-Ranges", "bytes")
        if part:
            self.send_header("Content-Range", part)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Print nothing."""


def main() -> None:
    """Serve until standard input ends."""
    Handler.folder, Handler.delay = Path(sys.argv[1]), float(sys.argv[2]) / 1000
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_address[1], flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main()
