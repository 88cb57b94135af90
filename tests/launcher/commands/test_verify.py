"""`hookline verify` on captured requests of each form, with each fault."""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from launcher.cli import app
from launcher.commands.verify.reencodings import reencodings
from launcher.errors import LauncherError

SECRET, OTHER = "a-secret-of-the-shop", "a-secret-of-the-till"
NOW_S = 1_800_000_000
BODY = '{"id": 7, "name": "Grüße", "price": 1.50, "url": "https://a.example/b", "list": [], "more": {"x": [1, 2]}}'
CONFIG = """
[sources.shop]
kind = "hmac"
[sources.shop.hmac]
header = "x-mac"
signed = "{timestamp}.{body}"
timestamp = "header:x-time"
event = "path:id"

[sources.till]
kind = "hmac"
[sources.till.hmac]
header = "x-mac"
signed = "{timestamp}.{body}"
timestamp = "header:x-time"

[sources.square]
kind = "hmac"
[sources.square.hmac]
header = "x-mac"
signed = "{url}{body}"

[sources.web]
kind = "token"

[receiver]
public_url = "https://hooks.example.com"
"""


def mac(data: str, secret: str = SECRET) -> str:
    return hmac.digest(secret.encode(), data.encode(), "sha256").hex()


def captured(body: str = BODY, *, signed: str = "", secret: str = SECRET, **changes: Any) -> dict[str, Any]:
    """A request that is signed over `signed`, or over its own body."""
    headers = {"X-Time": str(NOW_S), "X-Mac": mac(f"{NOW_S}.{signed or body}", secret)}
    request = {"method": "POST", "url": "/webhooks/shop", "headers": headers, "body": body, "received_at": NOW_S}
    return request | changes


class Verify:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        (directory / "hookline.toml").write_text(CONFIG)

    def __call__(self, content: Any, *options: str, command: str = "verify") -> tuple[int, str]:
        """Return (exit code, output), which never hold a secret or a signature."""
        file = self.directory / "request"
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        names = ("SHOP", "SQUARE", "TILL", "WEB")
        env = {f"HOOKLINE_SOURCES_{name}_SECRETS": SECRET for name in names} | {
            "HOOKLINE_SOURCES_TILL_SECRETS": OTHER,
            "COLUMNS": "200",
        }
        arguments = ["--config", str(self.directory / "hookline.toml"), command, *options]
        ran = CliRunner().invoke(app, [*arguments, str(file)], env=env)
        if isinstance(ran.exception, LauncherError):
            return ran.exception.exit_code, str(ran.exception)
        assert SECRET not in ran.output
        assert OTHER not in ran.output
        assert mac(f"{NOW_S}.{BODY}") not in ran.output
        return ran.exit_code, ran.output


@pytest.fixture
def verify(tmp_path: Path) -> Verify:
    return Verify(tmp_path)


def test_a_request_in_json_verifies(verify: Verify) -> None:
    code, output = verify(captured())
    assert code == 0, output
    assert output.endswith("verified\n")
    encoded = captured() | {"body": None, "body_base64": b64encode(BODY.encode()).decode()}
    assert verify(encoded)[0] == 0


def test_a_request_in_a_har_file_verifies(verify: Verify) -> None:
    request = captured()
    headers = [{"name": name, "value": value} for name, value in request["headers"].items()]
    entry = {
        "startedDateTime": "2027-01-15T08:00:10.000Z",
        "request": {
            "method": "POST",
            "url": "https://hooks.example.com/webhooks/shop",
            "headers": headers,
            "postData": {"mimeType": "application/json", "text": BODY},
        },
    }
    other = {"request": {"method": "GET", "url": "/", "headers": []}}
    code, output = verify({"log": {"entries": [other, entry]}})
    assert code == 0, output


def test_the_text_of_curl_needs_the_body_beside_it(verify: Verify, tmp_path: Path) -> None:
    headers = "".join(f"> {name}: {value}\n" for name, value in captured()["headers"].items())
    text = f"* Connected\n> POST /webhooks/shop HTTP/1.1\n> Host: a.example\n{headers}> \n< HTTP/1.1 401\n{{}}\n"
    code, output = verify(text)
    assert (code, "--body FILE" in output) == (2, True)
    (tmp_path / "body").write_text(BODY)
    code, output = verify(text, "--body", str(tmp_path / "body"), "--at", str(NOW_S + 5))
    assert code == 0, output


def test_a_raw_request_verifies(verify: Verify) -> None:
    headers = "".join(f"{name}: {value}\r\n" for name, value in captured()["headers"].items())
    code, output = verify(f"POST /webhooks/shop HTTP/1.1\r\n{headers}\r\n{BODY}", "--at", "2027-01-15T08:00:00Z")
    assert code == 0, output


@pytest.mark.parametrize(
    ("request_", "step", "reason"),
    [
        (captured(method="GET"), "method", "405"),
        (captured(headers={"Content-Encoding": "gzip"}), "encoding", "415"),
        (captured(headers={}), "headers", "x-mac is missing"),
        (captured(headers={"X-Hub-Signature-256": "sha256=00"}), "headers", "of GitHub: correct `kind`"),
        (captured(headers={"X-Mac": "00"}), "form", "x-time is missing"),
        (captured(headers={"X-Mac": "00", "X-Time": "soon"}), "form", "x-time is malformed"),
        (captured(received_at=NOW_S + 400), "time", "400 s old, more than 300 s"),
        (captured(received_at=NOW_S + 400), "time", "Otherwise the signature is right"),
        (captured(secret="something-else"), "signature", "compare the secret"),
        (captured(url="/webhooks/web", headers={"Authorization": "another-token"}), "signature", "the token in"),
        (captured(secret=OTHER), "signature", "fits a secret of source till"),
    ],
)
def test_the_first_step_that_fails_is_named_with_its_reason(
    verify: Verify, request_: dict[str, Any], step: str, reason: str
) -> None:
    code, output = verify(request_)
    assert code == 1, output
    assert f"failed  {step}: " in output
    assert reason in output
    code, output = verify(request_, "--json")
    last = json.loads(output)["steps"][-1]
    assert (code, last["check"], last["outcome"]) == (1, step, "failed")
    assert reason in last["text"] + last["advice"]


@pytest.mark.parametrize(
    ("body", "change"),
    [
        (
            json.dumps(json.loads(BODY)).replace("1.5,", "1.50,"),
            "with a space after commas and colons and characters beyond ASCII escaped",
        ),
        (BODY + "\n", "a line feed at the end was removed"),
        (
            '{"id":7,"name":"Grüße","price":1.50,"url":"https://a.example/b","list":[],"more":{"x":[1,2]}}',
            "without",
        ),
        (BODY.replace("/", "\\/"), "slashes escaped"),
        ("\ufeff" + BODY, "byte order mark was removed"),
    ],
)
def test_a_body_that_was_written_again_is_recognized(verify: Verify, body: str, change: str) -> None:
    code, output = verify(captured(signed=body))
    assert (code, "The body was changed on its way" in output, change in output) == (1, True, True), output


@pytest.mark.parametrize("indent", [2, 4, None])
def test_json_is_written_as_common_libraries_write_it(indent: int | None) -> None:
    content = {"a": [1, {"b": 'é/\\"x'}, []], "c": {}, "d": None, "e": "\u2028😀"}
    sent = json.dumps(content, ensure_ascii=False).encode()
    variants = {body: change for change, body in reencodings(sent)}
    for is_ascii in (True, False):
        text = json.dumps(content, indent=indent, ensure_ascii=is_ascii).encode()
        assert text == sent or text in variants


def test_a_url_that_differs_from_the_public_one_is_named(verify: Verify) -> None:
    url = "https://old.example.com/webhooks/square"
    request = captured(url=f"{url}?key=k", headers={"X-Mac": mac(f"{url}?key=k{BODY}"), "Host": "old.example.com"})
    code, output = verify(request)
    assert code == 1
    assert "It fits the URL https://old.example.com/webhooks/square?..." in output
    assert "expects https://hooks.example.com/webhooks/square?..." in output
    assert "key=k" not in output


@pytest.mark.parametrize("content", ["", "nonsense", "{", "[]", '{"log": {}}', '{"url": 5}', '{"method": "POST"}'])
def test_a_file_that_is_not_a_request_exits_with_2(verify: Verify, content: str) -> None:
    code, output = verify(content)
    assert code == 2
    assert "not a captured request" in output


def test_a_captured_request_can_be_explained(verify: Verify) -> None:
    code, output = verify(captured(), "--request", command="explain")
    assert code == 0, output
    assert "shop (hmac)" in output
    assert "1.50" in output
    code, output = verify(captured(), "--json", "--request", command="explain")
    assert json.loads(output)["event"]["payload"]["price"] == 1.5
