"""The URL and the proxy of a request to another server."""

from __future__ import annotations

from urllib.request import getproxies, proxy_bypass

from yarl import URL

_AS_WRITTEN = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?#[]@!$&'()*+,;=%")


def url_as_written(text: str) -> URL:
    """The URL, sent byte for byte as it is written; only characters that no URL may have are quoted.

    Raises ValueError.
    """
    url = URL(text, encoded=_AS_WRITTEN.issuperset(text))
    if not url.host:
        raise ValueError("it has no host")
    return url


def proxy_for(url: URL) -> URL | None:
    """The proxy that the environment names for a URL (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY).

    Raises ValueError for a proxy that cannot be used; its text does not show the proxy.
    """
    if proxy_bypass(url.host or ""):
        return None
    proxies = getproxies()
    text = proxies.get(url.scheme) or proxies.get("all")
    if not text:
        return None
    try:
        proxy = URL(text if "://" in text else f"http://{text}")
    except ValueError:
        proxy = URL()
    if proxy.scheme not in {"http", "https"} or not proxy.host:
        raise ValueError(f"the proxy of the environment for {url.scheme} is not http://host:port")
    return proxy
