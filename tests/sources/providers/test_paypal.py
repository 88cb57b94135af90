"""PayPal: the published text that is signed, certificates, and what is refused before the signature is checked."""

import datetime
import json
from base64 import b64encode
from zlib import crc32

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from multidict import CIMultiDict

from sources.errors import SignatureError
from sources.providers.paypal import PAYPAL
from sources.secret import Secret
from sources.signed_request import SignedRequest
from tests.sources.providers.vectors import VECTORS

WEBHOOK_ID, SENT = "1JE4291016473214C", "2026-11-28T04:20:00Z"
SENT_S = 1_795_839_600
PRIVATE = rsa.generate_private_key(public_exponent=65537, key_size=2048)
BODY = json.dumps(
    {
        "id": "WH-58D329510W468432D-8HN650336L201105X",
        "event_version": "1.0",
        "create_time": "2026-11-28T04:19:58.000Z",
        "resource_type": "capture",
        "event_type": "PAYMENT.CAPTURE.COMPLETED",
        "summary": "Payment completed for $ 30.0 USD",
        "resource": {"id": "42311647XV020574X", "status": "COMPLETED", "custom_id": "order-1"},
    }
).encode()


def certificate(*, until: datetime.datetime = datetime.datetime(2030, 1, 1)) -> str:  # noqa: DTZ001 - UTC by definition
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "messageverificationcerts.paypal.com")])
    built = (
        x509.CertificateBuilder(name, name, PRIVATE.public_key(), x509.random_serial_number())
        .not_valid_before(datetime.datetime(2020, 1, 1))  # noqa: DTZ001
        .not_valid_after(until)
    )
    return built.sign(PRIVATE, SHA256()).public_bytes(Encoding.PEM).decode()


SECRET = Secret(f"{WEBHOOK_ID}\n{certificate()}")


def headers(body: bytes = BODY, time: str = SENT, **changes: str) -> dict[str, str]:
    """The headers by the recipe."""
    transmission = "69cd13f0-d67a-11e5-baa3-778b53f4ae55"
    data = f"{transmission}|{time}|{WEBHOOK_ID}|{crc32(body)}".encode()
    return {
        "PAYPAL-TRANSMISSION-ID": transmission,
        "PAYPAL-TRANSMISSION-TIME": time,
        "PAYPAL-TRANSMISSION-SIG": b64encode(PRIVATE.sign(data, padding.PKCS1v15(), SHA256())).decode(),
        "PAYPAL-CERT-URL": "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-1d93a270",
        "PAYPAL-AUTH-ALGO": "SHA256withRSA",
        **{f"PAYPAL-{name.replace('_', '-').upper()}": value for name, value in changes.items()},
    }


def verify(
    sent: dict[str, str], *, body: bytes = BODY, secret: Secret = SECRET, now_s: float = SENT_S + 1
) -> None:
    PAYPAL.verify(SignedRequest(body, CIMultiDict(sent), now_s=now_s), secrets=[secret])


def test_the_text_that_paypals_library_signs_for_its_example_is_what_verifies() -> None:
    vector = VECTORS["paypal"]
    signature = PRIVATE.sign(vector["signed"].encode(), padding.PKCS1v15(), SHA256())
    sent = {
        "PAYPAL-TRANSMISSION-ID": vector["transmission_id"],
        "PAYPAL-TRANSMISSION-TIME": vector["time"],
        "PAYPAL-TRANSMISSION-SIG": b64encode(signature).decode(),
        "PAYPAL-CERT-URL": vector["cert_url"],
        "PAYPAL-AUTH-ALGO": vector["algorithm"],
    }
    public = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    sent_s = datetime.datetime.fromisoformat(vector["time"]).timestamp()
    verify(
        sent,
        body=vector["body"].encode(),
        secret=Secret(f"{vector['webhook_id']}\n{public}"),
        now_s=sent_s,
    )


def test_a_signature_by_the_recipe_verifies_with_the_certificate_or_its_key() -> None:
    verify(headers())
    public = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    verify(headers(), secret=Secret(f"{WEBHOOK_ID}\n{public}"))
    verify(headers(), secret=Secret(f"{WEBHOOK_ID}\r\n{certificate()}{certificate()}"))


def test_the_signature_belongs_to_one_webhook_and_one_body() -> None:
    with pytest.raises(SignatureError, match="any configured secret"):
        verify(headers(), secret=Secret(f"OTHER1\n{certificate()}"))
    with pytest.raises(SignatureError, match="any configured secret"):
        verify(headers(), body=BODY + b" ")


@pytest.mark.parametrize(
    "url",
    [
        "http://api.paypal.com/v1/notifications/certs/CERT",
        "https://api.paypal.com.evil.example/CERT",
        "https://evilpaypal.com/CERT",
        "https://evil.example/api.paypal.com/CERT",
        "https://evil.example#.paypal.com/CERT",
        "https://evil.example\\.paypal.com/CERT",
        "https://user@api.paypal.com/CERT",
    ],
)
def test_a_certificate_that_is_not_at_paypal_is_refused(url: str) -> None:
    with pytest.raises(SignatureError, match="paypal-cert-url is malformed"):
        verify(headers(cert_url=url))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"transmission_sig": ""}, "paypal-transmission-sig is missing"),
        ({"transmission_sig": "!"}, "paypal-transmission-sig is malformed"),
        ({"transmission_id": "a|b"}, "paypal-transmission-id is malformed"),
        ({"transmission_id": "other"}, "any configured secret"),
        ({"transmission_time": "soon"}, "paypal-transmission-time is malformed"),
        ({"transmission_time": "2026-11-28T04:20:01Z"}, "any configured secret"),
        ({"auth_algo": "SHA1withRSA"}, "paypal-auth-algo is malformed"),
    ],
)
def test_the_error_names_the_step(change: dict[str, str], reason: str) -> None:
    with pytest.raises(SignatureError, match=reason):
        verify(headers(**change))


def test_a_transmission_is_accepted_for_four_days() -> None:
    verify(headers(), now_s=SENT_S + 3 * 86_400)
    with pytest.raises(SignatureError, match="s old"):
        verify(headers(), now_s=SENT_S + 5 * 86_400)


def test_an_expired_certificate_is_named_as_the_reason() -> None:
    expired = certificate(until=datetime.datetime(2026, 1, 1))  # noqa: DTZ001
    with pytest.raises(SignatureError, match="certificate has expired"):
        verify(headers(), secret=Secret(f"{WEBHOOK_ID}\n{expired}"))


def test_a_retry_is_the_same_event_in_another_transmission() -> None:
    verify(headers(time="2026-11-28T05:20:00Z", body=BODY), now_s=SENT_S + 3600)
    event = PAYPAL.decode(BODY, "")
    assert event.identity == "WH-58D329510W468432D-8HN650336L201105X"
    assert (event.name, event.occurred_at_ms) == ("PAYMENT.CAPTURE.COMPLETED", (SENT_S - 2) * 1000)
    assert "42311647xv020574x" in PAYPAL.terms(BODY)


def test_the_certificate_of_paypal_cannot_sign() -> None:
    with pytest.raises(SignatureError, match="private key"):
        PAYPAL.sign(SignedRequest(BODY, {}), SECRET)


@pytest.mark.parametrize("pem", ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"])
def test_another_text_is_no_secret(pem: str) -> None:
    assert "the id on the first line" in PAYPAL.check_secret(Secret(f"{WEBHOOK_ID}\n{pem}"))


def test_a_key_of_another_kind_is_no_secret() -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert "RSA" in PAYPAL.check_secret(Secret(f"{WEBHOOK_ID}\n{pem}"))
    assert PAYPAL.check_secret(Secret(certificate())) != ""
