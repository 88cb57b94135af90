"""The headers of every answer: what a browser may do with it, which is as little as possible."""

from __future__ import annotations

from multidict import CIMultiDict

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",  # live.js
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)

STRICT = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # With no-referrer browsers send `Origin: null` with our own forms too: nobody could tell them from others'.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "X-Robots-Tag": "noindex, nofollow",
}


def make_strict(headers: CIMultiDict[str]) -> None:
    """Add them. Nothing is kept by a cache unless the answer says so itself."""
    headers.update(STRICT)
    headers.setdefault("Cache-Control", "no-store")
    headers["Server"] = "hookline"
