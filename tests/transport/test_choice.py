import pytest

from simulator.errors import InputError
from simulator.timers import Timers
from simulator.transport.choice import choose
from simulator.transport.http11 import Http11
from simulator.transport.httpx_bridge import HttpxBridge
from simulator.transport.proxies import proxy_of
from tests.transport.lab import route

HTTP, HTTPS = "http://tools.example/x", "https://tools.example/x"
LOCAL = "http://127.0.0.1:7070/x"
P = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("url", "environ", "variable"),
    [
        (HTTP, {}, None),
        (HTTP, {"HTTP_PROXY": P}, "HTTP_PROXY"),
        (HTTP, {"http_proxy": P}, "http_proxy"),
        (HTTP, {"HTTPS_PROXY": P}, None),
        (HTTPS, {"HTTPS_PROXY": P}, "HTTPS_PROXY"),
        (HTTPS, {"HTTP_PROXY": P}, None),
        (HTTPS, {"ALL_PROXY": P}, "ALL_PROXY"),
        (HTTPS, {"ALL_PROXY": P, "https_proxy": P}, "https_proxy"),
        # the lower-case variable counts, even where it is empty
        (HTTPS, {"HTTPS_PROXY": P, "https_proxy": P}, "https_proxy"),
        (HTTPS, {"HTTPS_PROXY": P, "https_proxy": ""}, None),
        (HTTPS, {"HTTPS_PROXY": ""}, None),
        # HTTP_PROXY may be the header of a CGI program's client
        (HTTP, {"HTTP_PROXY": P, "REQUEST_METHOD": "GET"}, None),
        (HTTP, {"http_proxy": P, "REQUEST_METHOD": "GET"}, "http_proxy"),
        (HTTPS, {"HTTPS_PROXY": P, "REQUEST_METHOD": "GET"}, "HTTPS_PROXY"),
        # exceptions
        (HTTPS, {"HTTPS_PROXY": P, "NO_PROXY": "tools.example"}, None),
        (HTTPS, {"HTTPS_PROXY": P, "no_proxy": "other.example, example"}, None),
        (HTTPS, {"HTTPS_PROXY": P, "NO_PROXY": ".example"}, None),
        (HTTPS, {"HTTPS_PROXY": P, "NO_PROXY": "ools.example"}, "HTTPS_PROXY"),
        (HTTPS, {"HTTPS_PROXY": P, "NO_PROXY": "TOOLS.example:443"}, None),
        (HTTPS, {"HTTPS_PROXY": P, "NO_PROXY": "tools.example:80"}, "HTTPS_PROXY"),
        (HTTPS, {"HTTPS_PROXY": P, "NO_PROXY": "*"}, None),
        (HTTPS, {"HTTPS_PROXY": P, "NO_PROXY": ""}, "HTTPS_PROXY"),
        ("https://10.0.0.7/", {"HTTPS_PROXY": P, "NO_PROXY": "10.0.0.7"}, None),
        ("https://[fd00::7]/", {"HTTPS_PROXY": P, "NO_PROXY": "fd00::7"}, None),
        ("https://[fd00::7]:8443/", {"HTTPS_PROXY": P}, "HTTPS_PROXY"),
        # this machine's own addresses
        (LOCAL, {"ALL_PROXY": P}, None),
        ("http://127.8.8.8/", {"ALL_PROXY": P}, None),
        ("http://[::1]:80/", {"ALL_PROXY": P}, None),
        ("http://localhost/", {"ALL_PROXY": P}, None),
    ],
)
def test_the_proxy_of_a_url(url, environ, variable):
    proxy = proxy_of(url, environ)
    assert (proxy and proxy.variable) == variable


@pytest.mark.parametrize(
    ("named", "url", "auth"),
    [
        ("proxy.example:3128", P, None),
        ("user:s3cret@proxy.example:3128", P, ("user", "s3cret")),
        ("https://proxy.example", "https://proxy.example", None),
        ("socks5h://proxy.example:1080", "socks5h://proxy.example:1080", None),
    ],
)
def test_the_address_of_a_proxy(named, url, auth):
    proxy = proxy_of(HTTPS, {"HTTPS_PROXY": named})
    assert (str(proxy.address.url), proxy.address.auth) == (url, auth)
    assert repr(proxy) == "<Proxy of HTTPS_PROXY>"


@pytest.mark.parametrize(
    "named", ["ftp://user:s3cret@proxy.example", "http://user:s3cret@proxy.example:port"]
)
def test_a_proxy_that_cannot_be_used_is_refused_without_its_secret(named):
    with pytest.raises(InputError, match=r"^HTTPS_PROXY: is no address of a proxy; write ") as caught:
        choose("auto", [route(HTTPS)], {"HTTPS_PROXY": named})
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


SECRET = {"HTTPS_PROXY": "http://user:s3cret@proxy.example:3128"}


@pytest.mark.parametrize(
    ("name", "urls", "environ", "reason"),
    [
        ("auto", [HTTP, HTTPS], {}, "http11, because no proxy is named for any endpoint"),
        ("auto", [HTTP, HTTPS], SECRET, "httpx, because HTTPS_PROXY names a proxy for tools.example"),
        ("auto", [HTTP, LOCAL], SECRET, "http11, because no proxy is named for any endpoint"),
        ("auto", [LOCAL], {"ALL_PROXY": P}, "http11, because no proxy is named for any endpoint"),
        ("http11", [HTTPS], {}, "http11, as asked for"),
        (
            "http11",
            [HTTPS],
            SECRET,
            "http11, as asked for, although HTTPS_PROXY names a proxy for tools.example: it uses none",
        ),
        ("httpx", [HTTPS], {}, "httpx, as asked for"),
        ("httpx", [HTTPS], SECRET, "httpx, as asked for"),
        ("auto", [], SECRET, "http11, because no proxy is named for any endpoint"),
    ],
)
def test_the_choice_and_its_reason(name, urls, environ, reason):
    routes = [route(url) for url in urls]
    choice = choose(name, routes, environ)
    assert choice.reason == reason
    assert choice.name == reason.split(",")[0]
    assert type(choice.make(routes, Timers())) is {"http11": Http11, "httpx": HttpxBridge}[choice.name]
