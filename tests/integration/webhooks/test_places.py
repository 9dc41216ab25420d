"""P-112: webhooks go to the internet and nowhere into the house's own network, whatever a name says and when."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence

import pytest

from custody.kernel.errors import InvalidInput
from custody.webhooks.model import Parcel
from custody.webhooks.places import Place, PlaceRefused, Places, read_networks, read_url
from custody.webhooks.pushing import send
from custody.webhooks.resolving import MOST_OF_ONE, MOST_UNANSWERED
from custody.webhooks.wire import NoAnswer, Wire
from tests.integration.webhooks.receiver import Receiver

PUBLIC = "93.184.216.34"
CLOSED = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "192.88.99.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:93.184.216.34",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "239.1.1.1",
    "ff02::1",
    "ff0e::1",
    "100::1",
    "4000::1",
    "8000::1",
]


def names(*addresses: str) -> Places:
    return Places(look_up=lambda _host, _port: addresses)


@pytest.mark.parametrize("address", CLOSED)
def test_p112_no_name_leads_inside(address: str) -> None:
    with pytest.raises(PlaceRefused, match=r"internet|kind"):
        names(address).addresses(read_url("https://innocent.example/"))
    with pytest.raises(PlaceRefused):
        names(PUBLIC, address).addresses(read_url("https://innocent.example/"))
    with pytest.raises(InvalidInput, match="accepted is an https address on the internet") as refused:
        names(address).read("https://innocent.example/")
    assert address not in str(refused.value)


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:220:1:248:1893:25c8:1946", "1.1.1.1"])
def test_p112_public_addresses_are_allowed_over_tls_alone(address: str) -> None:
    assert names(address).addresses(read_url("https://innocent.example/")) == (address,)
    with pytest.raises(PlaceRefused, match="https"):
        names(address).addresses(read_url("http://innocent.example/"))


@pytest.mark.parametrize(
    "url",
    ["http://2130706433/", "http://0x7f.1/", "http://127.1/", "https://localhost/", "https://[::1]/", "http://0/"],
)
def test_p112_other_ways_to_write_loopback_are_loopback(url: str) -> None:
    with pytest.raises(InvalidInput):
        Places().read(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "https://",
        "ftp://a.example/",
        "file:///etc/passwd",
        "gopher://a.example/",
        "//a.example/",
        "https://user:secret@a.example/",
        "https://a.example@10.0.0.1/",
        "https://a.example/#x",
        "https://a.example\\@b.example/",
        "https://a.example:0/",
        "https://a.example:99999/",
        "https://a.example/\r\nx: y",
        "https://a.example/ b",
        "https://ä.example/",
        "https://[fe80::1%25eth0]/",
        "https://" + "a" * 500,
        None,
        7,
    ],
)
def test_p112_what_is_no_plain_address_is_refused(url: object) -> None:
    with pytest.raises(InvalidInput) as refused:
        names(PUBLIC).read(url)
    assert refused.value.field == "url"
    assert "secret" not in str(refused.value)


def test_p112_a_name_that_moves_inside_after_it_was_registered_is_not_followed() -> None:
    """The name is judged again for each connection, and the connection goes to what was judged."""
    with Receiver() as receiver:
        answers: list[Sequence[str]] = [[PUBLIC], ["127.0.0.1"]]
        places = Places(look_up=lambda _host, _port: answers.pop(0))
        url = receiver.url.replace("127.0.0.1", "rebinding.example").replace("http:", "https:")
        places.read(url)
        with Wire(places) as wire, pytest.raises(PlaceRefused):
            wire.post(url, {}, b"{}")
        assert receiver.came == [] and answers == []


def test_p112_the_connection_goes_to_the_address_that_was_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """One look-up for each connection: the resolver is not asked again between judging and connecting."""
    asked: list[str] = []
    tried: list[object] = []

    def look_up(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        return [PUBLIC]

    def refuse(address: tuple[str, int], **_options: object) -> socket.socket:
        tried.append(address)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", refuse)
    with Wire(Places(look_up=look_up)) as wire, pytest.raises(NoAnswer):
        wire.post("https://a.example/", {}, b"")
    assert (asked, tried) == (["a.example"], [(PUBLIC, 443)])


def test_a_name_that_is_never_answered_costs_its_limit_and_one_thread() -> None:
    """The machine's resolver keeps no limit: one slow name must not hold up who sends, nor gather threads."""
    asked: list[str] = []
    answered = threading.Event()

    def look_up(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        if host == "slow.example":
            answered.wait(30)
        return [PUBLIC]

    places = Places(look_up=look_up)
    slow = read_url("https://slow.example/")
    try:
        for _ in range(3):
            with pytest.raises(PlaceRefused, match="not answered in time"):
                places.addresses(slow, seconds=0.02)
        assert places.addresses(read_url("https://quick.example/")) == (PUBLIC,)
        with Wire(places, timeout_seconds=0.05) as wire, pytest.raises(PlaceRefused, match="not answered in time"):
            wire.post("https://slow.example/", {}, b"{}")
        assert asked == ["slow.example", "quick.example"]
    finally:
        answered.set()
    assert places.addresses(slow) == (PUBLIC,)


def hanging(places: Places, asker: str) -> int:
    """How many names of this asker's hang, of as many as there is room for, until one is refused."""
    for number in range(MOST_UNANSWERED):
        with pytest.raises(PlaceRefused) as refused:
            places.addresses(read_url(f"https://{number}.{asker}.example/"), asker=asker, seconds=0)
        if "too many" in refused.value.message:
            return number
    return MOST_UNANSWERED


def test_whose_names_hang_has_a_quarter_of_them_and_holds_up_nobody_else() -> None:
    answered = threading.Event()
    places = Places(look_up=lambda host, _port: [PUBLIC] if host == "well.example" or answered.wait(30) else [])
    try:
        assert hanging(places, "acme") == MOST_OF_ONE
        assert places.addresses(read_url("https://well.example/"), asker="globex") == (PUBLIC,)
        assert [hanging(places, asker) for asker in ("one", "two", "three")] == [MOST_OF_ONE, MOST_OF_ONE, 1]
        assert places.addresses(read_url("https://well.example/"), asker="globex") == (PUBLIC,)
        assert sum(hanging(places, f"more{number}") for number in range(MOST_OF_ONE)) == MOST_OF_ONE - 1
        with pytest.raises(PlaceRefused, match="too many"):
            places.addresses(read_url("https://well.example/"), asker="globex")
    finally:
        answered.set()


@pytest.mark.parametrize("client", ["acme", None])
def test_what_is_sent_is_looked_up_for_the_client_or_the_endpoint(client: str | None) -> None:
    asked: list[str] = []

    class Watched(Places):
        def addresses(self, place: Place, *, asker: str = "", seconds: float = 0.0) -> tuple[str, ...]:
            asked.append(asker)
            raise PlaceRefused("nowhere")

    with Wire(Watched()) as wire:
        send(wire, Parcel(1, "whe", "https://a.example/", 1, ("whe", "k", "s"), {}, b"{}", client=client))
    assert asked == [client or "whe"]


def test_who_was_answered_has_its_room_again() -> None:
    places = Places(look_up=lambda _host, _port: [PUBLIC])
    for number in range(MOST_UNANSWERED + 1):
        assert places.addresses(read_url(f"https://{number}.example/"), asker="acme") == (PUBLIC,)


def test_a_name_that_nobody_could_ask_for_is_asked_for_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    places, place = Places(look_up=lambda _host, _port: [PUBLIC]), read_url("https://some.example/")
    with monkeypatch.context() as patched, pytest.raises(PlaceRefused, match="no thread is left"):
        patched.setattr(threading.Thread, "start", start)
        places.addresses(place)
    assert places.addresses(place) == (PUBLIC,)


def test_p112_a_redirect_to_a_private_address_is_not_followed() -> None:
    with Receiver() as receiver, Receiver() as inside, Wire(Places(read_networks("127.0.0.0/8"))) as wire:
        receiver.answer = lambda _came: (302, {"Location": inside.url}, b"")
        outcome = send(wire, Parcel(1, "whe", receiver.url, 1, ("whe", "k", "s"), {}, b"{}"))
        assert outcome.problem == "answered 302: a redirect is not followed"
        assert inside.came == []


def test_p112_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    with Receiver() as receiver, Receiver() as proxy, Wire(Places(read_networks("127.0.0.0/8"))) as wire:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert wire.post(receiver.url, {"webhook-id": "x"}, b"{}").status == 204
        assert proxy.came == [] and len(receiver.came) == 1


def test_loopback_is_reached_only_where_a_setting_names_it() -> None:
    with Receiver() as receiver:
        with pytest.raises(InvalidInput):
            Places().read(receiver.url)
        Places(read_networks("127.0.0.1/32")).read(receiver.url)
        with pytest.raises(InvalidInput):
            Places(read_networks("127.0.0.2/32")).read(receiver.url)
