"""`tagger webhooks listen | test | verify`: print callbacks, test an endpoint, verify a signature."""

from __future__ import annotations

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Annotated

import typer

from tagger.cli import console, worker_rpc
from tagger.cli.callback_secret import SecretFile, callback_secret
from tagger.errors import BadRequest, PortTaken, SignatureInvalid
from tagger.net import signing

MAX_BODY = 4 << 20
SECONDS = 10  # for one request

app = typer.Typer(help="Test signed callbacks.", no_args_is_help=True)


@app.command("verify")
def verify(
    headers: Annotated[Path, typer.Argument(**console.PATH, help="File with one header on each line, as `Name: value`.")],
    body: Annotated[str, typer.Argument(help="File with the exact body; - reads the standard input.")],
    secret_file: SecretFile = None,
    tolerance: Annotated[int, typer.Option(min=1, help="Greatest age of the message, in seconds.")] = signing.TOLERANCE_SECONDS,
) -> None:
    """Verify the signature of a recorded message.

    Example:  tagger webhooks verify headers.txt body.json --secret-file secret.txt
    """
    secret = callback_secret(secret_file)
    try:
        pairs = [line.partition(":") for line in headers.read_text("latin-1").splitlines()]
        data = sys.stdin.buffer.read() if body == "-" else Path(body).read_bytes()
    except OSError as err:
        raise BadRequest(f"{err.filename}: {err.strerror}.", "Name files that exist and that you may read.") from err
    named = {name.strip(): value.strip() for name, _, value in pairs}
    console.out.print(f"Valid: {signing.verify([secret], named, data, time.time(), tolerance)}")


@app.command("test")
def try_endpoint(
    site: Annotated[str, typer.Option(help="Site whose endpoint receives the message.")],
    json: console.Json = False,
) -> None:
    """Send a signed test message to a site's endpoint.

    The type of the message is `webhook.test`. The command prints the answer; nothing is recorded. The exit status is 0 if the
    endpoint accepted the message, else 1.

    Example:  tagger webhooks test --site blog
    """
    [answer] = worker_rpc.run(["workers.deliver.probe"], {"site": site}, console.settings())
    if json:
        console.print_json(answer)
    else:
        came = "no answer" if answer["status"] is None else f"answered {answer['status']}"
        console.out.print(f"{answer['url']}: {came} after {answer['ms']} ms.", markup=False)
        if answer["answer"]:
            console.out.print(f"  {answer['answer']!r}", markup=False)
        if not answer["ok"]:
            console.out.print(f"{answer['detail']} {answer['remedy']}", markup=False)
    if not answer["ok"]:
        raise typer.Exit(1)


@app.command("listen")
def listen(
    secret_file: SecretFile = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")] = 8401,
) -> None:
    """Receive callbacks on this machine and print them.

    The receiver verifies each signature, answers 204 and stores nothing. Ctrl-C ends it.

    Example:  tagger webhooks listen --secret-file secret.txt
    """
    secret = callback_secret(secret_file)
    try:
        server = HTTPServer(("127.0.0.1", port), handler([secret]))
    except OSError as err:
        raise PortTaken(f"Port {port} of 127.0.0.1 cannot be used: {err.strerror}.", "Choose another port with --port.") from err
    console.out.print(f"Listening at http://127.0.0.1:{server.server_port}/")
    with server:
        server.serve_forever()


def handler(secrets: list[str]) -> type[BaseHTTPRequestHandler]:
    """A request handler that prints messages signed with one of these secrets, and answers 401 to others."""

    class Receiver(BaseHTTPRequestHandler):
        timeout = SECONDS

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if not (length.isascii() and length.isdigit() and int(length) <= MAX_BODY):
                self._answer(413)
                return
            body = self.rfile.read(int(length))
            try:
                msg_id = signing.verify(secrets, dict(self.headers.items()), body, time.time())
            except SignatureInvalid as err:
                console.complain(err)
                self._answer(401)
                return
            console.out.print(f"{msg_id}:")
            try:
                console.print_json(json.loads(body))
            except (ValueError, RecursionError):
                console.out.print(repr(body))
            self._answer(204)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Logs nothing, because the messages are already printed."""

    return Receiver
