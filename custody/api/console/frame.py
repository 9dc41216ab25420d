"""What stands around every page: where one is, how fresh it is, who one is, and where else one can go."""

from __future__ import annotations

from typing import Final

from custody import __version__
from custody.api.console import parts
from custody.api.console.door import Visit
from custody.api.console.looks import Looks
from custody.api.console.markup import Markup, element
from custody.api.console.navigation import FREEZES, HELP, PLACES, QUEUE, Place
from custody.approvals.waiting import COUNTED_TO

STATIC: Final = "/console/static"
SCRIPTS: Final = ("console.js", "passkey.js", "keyboard.js", "live.js")


def page(visit: Visit | None, title: str, *body: str, current: str = "", banner: str = "", live: str = "") -> str:
    """A whole document with our own style and script, and no other. ``title`` is its one first heading.

    ``current`` is the path of the place it stands under, ``banner`` the one ``parts.banner`` it has, and ``live`` the
    path of the fragment that the live script fetches when something happened.
    """
    looks = Looks() if visit is None else visit.looks
    count = "" if visit is None or not visit.needs_me else f"({_waiting(visit)}) "
    idle = {} if visit is None else {"data_idle": str(visit.idle_seconds)}
    attributes = {"lang": "en", "data_theme": looks.theme, "data_density": looks.density, "data_letters": looks.letters}
    main = element(
        "main", element("h1", title), *body, id="main", tabindex="-1", **({"data_live": live} if live else {})
    )
    document = element(
        "html",
        _head(f"{count}{title} · Custody"),
        element(
            "body",
            element("a", "Skip to the content", href="#main", class_="skip"),
            _strip(visit),
            _header(visit),
            _navigation(current) if visit else "",
            element("div", banner, id="notices"),
            main,
            _footer(visit),
        ),
        **attributes,
        **idle,
    )
    return "<!doctype html>" + document


def _head(title: str) -> Markup:
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", title),
        element("link", rel="stylesheet", href=f"{STATIC}/console.css"),
        # An icon of no bytes: a browser asks for none elsewhere.
        element("link", rel="icon", href=f"{STATIC}/icon.svg", type="image/svg+xml"),
        *(element("script", src=f"{STATIC}/{name}", defer="defer") for name in SCRIPTS),
    )


def _strip(visit: Visit | None) -> Markup | str:
    """Where money is worth nothing the page says so, in hatching and in words."""
    if visit is None or visit.is_mainnet:
        return ""
    return element("p", f"{visit.environment} · nothing here is worth anything", class_="strip")


def _header(visit: Visit | None) -> Markup:
    product = element("strong", "Custody" if visit is None or not visit.is_mainnet else "Custody · Mainnet")
    if visit is None:
        return element("header", product)
    return element(
        "header",
        product,
        parts.link(f"Needs me {_waiting(visit)}", f"{QUEUE}?tab=needs-me", class_="count", id="needs-me"),
        element("p", _freshness(visit), class_="soft", id="freshness"),
        element("p", f"{visit.operator} · {visit.role}", class_="who"),
        parts.link("Freeze …", FREEZES, class_="freeze"),
        parts.form("/console/sign-out", parts.button("Sign out")),
        id="top",
    )


def _waiting(visit: Visit) -> str:
    """How much waits for this person, with a plus where counting stopped."""
    return f"{visit.needs_me:,}".replace(",", "\u202f") + ("+" if visit.needs_me >= COUNTED_TO else "")


def _freshness(visit: Visit) -> str:
    blocks = ", ".join(f"{name} block {height:,}".replace(",", "\u202f") for name, height in visit.tips)
    return f"as of {visit.at:%H:%M:%S} UTC{', ' if blocks else ''}{blocks}"


def _navigation(current: str) -> Markup:
    chosen = next((place for place in PLACES if place.path == current), None)
    beneath = chosen.beneath if chosen else ()
    return element(
        "nav",
        element("ul", *(element("li", _place(each, current)) for each in PLACES)),
        element("ul", *(element("li", parts.link(*each)) for each in beneath), class_="beneath") if beneath else "",
        aria_label="Places",
    )


def _place(place: Place, current: str) -> Markup:
    here = {"aria_current": "page"} if place.path == current else {}
    return parts.link(place.word, place.path, data_letter=place.letter, **here)


def _footer(visit: Visit | None) -> Markup:
    request = "" if visit is None else f" · request {visit.call.request_id}"
    return element(
        "footer",
        element("p", f"Custody {__version__}{request}", class_="soft"),
        element("p", parts.link("Help and keys", HELP)),
        # What changes is said here, once, to who listens to the page.
        element("p", id="said", role="status", aria_live="polite", class_="unseen"),
    )
