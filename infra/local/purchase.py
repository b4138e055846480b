"""One purchase on the deployed stack, over HTTP, with everything that may go wrong with one. Part of `make test`."""

import concurrent.futures
import hashlib
import hmac
import itertools
import json
import time
import uuid
from collections.abc import Callable
from functools import partial
from typing import Any

from .client import Json, Person, Problem, World, by_link, every, solved_challenge, wait_until
from .console import Failure, say
from .deploy import STRIPE_SECRET_KEY, STRIPE_WEBHOOK_SECRET, Stack

PASSWORD = "a-quiet-harbour-42"
# Unpaid orders of the test stack expire soon, so that the test can wait for it.
EXPIRY_SECONDS = 60
# From a webhook, or from a command, to its last consequence: four hops through queues and streams.
SETTLE_SECONDS = 60
STALE_SECONDS = 3_600


class Checks:
    """Counts what held. The first thing in a chapter that does not hold ends the chapter."""

    def __init__(self) -> None:
        self.passed = 0
        self.failed = 0

    def chapter(self, title: str, tell: Callable[[], None]) -> bool:
        started, before = time.monotonic(), self.passed
        try:
            tell()
        except (Failure, Problem, OSError, LookupError, ValueError) as error:
            self.failed += 1
            say(f"FAILED  {title}: {type(error).__name__}: {error}")
            return False
        say(f"ok      {title}: {self.passed - before} checks in {time.monotonic() - started:.1f} s")
        return True

    def equal(self, what: str, found: Any, wanted: Any) -> None:
        if found != wanted:
            raise Failure(f"{what}: expected {wanted!r}, found {found!r}")
        self.passed += 1

    def that(self, what: str, holds: bool) -> None:
        self.equal(what, bool(holds), True)

    def refused(self, what: str, call: Callable[[], Any], status: int, code: str) -> Problem:
        try:
            answer = call()
        except Problem as problem:
            self.equal(f"{what}: refusal", (problem.status, problem.code), (status, code))
            return problem
        raise Failure(f"{what}: expected {status} {code}, but it was answered with {json.dumps(answer)[:300]}")

    def becomes(self, what: str, look: Callable[[], Any], wanted: Any, seconds: float = SETTLE_SECONDS) -> None:
        """For what happens after the answer, through queues and streams."""
        try:
            wait_until(lambda: look() == wanted, what, seconds)
        except Failure:
            self.equal(what, look(), wanted)
        self.passed += 1


class Purchase:
    """The story, with its people."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.checks = Checks()
        # Unique on a stack that has been tested before.
        self.run = uuid.uuid4().hex[:6]
        self.staff, self.seller, self.neighbour, self.buyer, self.stranger = (
            self.person(name) for name in ("staff", "seller", "neighbour", "buyer", "stranger")
        )
        self.variants: list[str] = []
        self.address = ""
        self.order: Json = {}
        self.payment: Json = {}
        self.unpaid: Json = {}

    def person(self, name: str) -> Person:
        return Person(self.world, f"{name}-{self.run}@people.example", f"{name}-{self.run}", PASSWORD)

    def tell(self) -> Checks:
        """Chapters that need the ones before them come first; the rest stand alone."""
        for title, chapter in (
            ("the API and its description answer", self.system),
            ("people sign up, and prove their addresses", self.accounts),
            ("sellers open shops and list goods", self.goods),
            ("a guest's cart follows them when they sign in", self.guest),
            ("an order reserves stock, for the quote the buyer saw, once", self.ordering),
            ("a card pays the order, by webhook", self.paying),
        ):
            if not self.checks.chapter(title, chapter):
                return self.checks
        for title, chapter in (
            ("forged, stale and repeated webhooks change nothing", self.webhooks),
            ("a second payment goes back in full", self.second_payment),
            ("sellers ship their own parts, the buyer confirms", self.shipping),
            ("an unpaid order that is cancelled frees its stock and its payment", self.cancelled_unpaid),
            ("a paid order that is cancelled is refunded", self.cancelled_paid),
            ("some units, some money and some goods go back, each once", self.given_back),
            ("money that comes after the end finds its goods again, or goes back", self.late_payment),
            ("a wrong amount never pays an order", self.wrong_amount),
            ("a label is bought once, and its carrier delivers", self.carrier),
            ("a card pays an order on Stripe's page", self.stripe_checkout),
            ("Chapa pays an order, by webhook", self.chapa),
            ("PayPal pays an order when its buyer comes back, and its webhook changes nothing", self.paypal),
            ("a guest buys, and the account that proves the address gets the order", self.without_account),
            ("another way of paying ends the one that was open", self.changed_mind),
            ("counts are sent as a table and taken home", self.tables),
            ("somebody waits for what is sold out", self.waiting),
            ("an order that nobody pays releases its stock by itself", self.expired),
            ("everyone got each mail once, as text and as HTML", self.mails),
            ("stock movements are an unbroken chain, and the books agree", self.books),
        ):
            self.checks.chapter(title, chapter)
        return self.checks

    # What the chapters share.

    def stock(self, variant: int = 0) -> tuple[int, int, int]:
        """Available, reserved and committed of one of the seller's variants."""
        found = self.seller.stock(self.variants[variant])
        return found["available"], found["reserved"], found["committed"]

    def state(self, order: Json) -> str:
        return str(self.buyer.call("GET", f"/v1/orders/{order['id']}")["state"])

    def place(self, lines: dict[str, int], key: str | None = None, guest: Person | None = None) -> Json:
        """A fresh order of the buyer's, or of a guest's."""
        who, address = (guest, guest.add_address()) if guest else (self.buyer, self.address)
        cart = who.call("POST", "/v1/carts")["id"]
        for variant, quantity in lines.items():
            who.call("PUT", f"/v1/carts/{cart}/lines/{variant}", {"quantity": quantity})
        quote = who.call("POST", f"/v1/carts/{cart}/quote", {"address": address})
        wish = {"cart": cart, "address": address, "quote": quote["hash"]}
        order: Json = who.call("POST", "/v1/orders", wish, key=key)
        return order

    def start_payment(self, order: Json) -> Json:
        payment: Json = self.buyer.call("POST", f"/v1/orders/{order['id']}/payments", {"gateway": "stripe"})
        return payment

    def pay(self, order: Json) -> Json:
        payment = self.start_payment(order)
        self.checks.equal("the card is taken", self.world.confirm(payment).status, 200)
        self.checks.becomes("state after payment", lambda: self.state(order), "paid")
        return payment

    def intent(self, payment: Json) -> Json:
        """The payment as the provider sees it."""
        intents = self.world.control("/stripe/state")["intents"]
        return next(intent for intent in intents if intent["id"] == payment["provider_id"])

    def refunded(self, provider_id: str) -> int:
        charges = self.world.control("/stripe/state")["charges"]
        return sum(charge["amount_refunded"] for charge in charges if charge["payment_intent"] == provider_id)

    # The chapters.

    def system(self) -> None:
        api, checks = self.world.api, self.checks
        checks.that("the database answers", api.call("GET", "/v1/health")["database"])
        checks.that("OpenAPI 3.1", api.call("GET", "/openapi.json")["openapi"].startswith("3.1"))
        docs = api.send("GET", "/docs")
        checks.equal("the docs are a page", (docs.status, docs.headers["content-type"][:9]), (200, "text/html"))
        checks.that("it needs no other host", b"src=\"http" not in docs.body and b"href=\"http" not in docs.body)
        checks.that("public keys", api.call("GET", "/.well-known/jwks.json")["keys"])

    def accounts(self) -> None:
        people = (self.staff, self.seller, self.neighbour, self.buyer, self.stranger)
        with concurrent.futures.ThreadPoolExecutor(len(people)) as pool:
            list(pool.map(Person.sign_up, people))
        self.checks.equal("who I am", self.buyer.call("GET", "/v1/users/me")["username"], self.buyer.username)
        self.checks.refused(
            "a stranger to the API", lambda: self.world.api.call("GET", "/v1/users/me"), 401, "unauthenticated"
        )
        self.checks.refused(
            "a shop's call", lambda: self.buyer.call("GET", "/v1/admin/invariants"), 403, "forbidden"
        )
        self.session()
        self.staff.grant("admin")
        self.addresses()
        self.address = self.buyer.add_address()

    def addresses(self) -> None:
        """Addresses are looked at before goods are sent there, and nobody has to wait for who looks."""
        checks, buyer = self.checks, self.buyer
        home = {"name": "Ada Buyer", "line1": "Canal Street 12", "city": "Hamburg", "postal_code": "20457", "country": "DE"}

        def judged(line: str) -> tuple[str, str]:
            answer = buyer.call("POST", "/v1/addresses/validate", home | {"line1": line})
            return answer["verdict"], answer["checked_by"]

        checks.equal("a known address", judged("Canal Street 12"), ("accept", "google"))
        checks.equal("a misspelt address", judged("Typo Street 12"), ("confirm", "google"))
        checks.equal("an address that is not there", judged("Nowhere Lane 1"), ("fix", "google"))
        nowhere = home | {"line1": "Nowhere Lane 1"}
        add = partial(buyer.call, "POST", "/v1/users/me/addresses")
        checks.refused("an address that is not there", lambda: add(nowhere), 422, "invalid")
        self.world.control("/addresses/faults", {"times": 2, "answer": {"status": 503}})
        checks.equal("an address nobody can look at", judged("Nowhere Lane 1"), ("accept", "built-in"))

    def session(self) -> None:
        """A session of the stranger's, until it ends."""
        api, checks = self.world.api, self.checks
        credentials = {"login": self.stranger.username, "password": PASSWORD}
        programs = {"email": "robot@example.com", "username": f"robot-{self.run}", "password": PASSWORD}
        for token in ({}, {"turnstile_token": "made up"}, {"turnstile_token": solved_challenge("login")}):
            checks.refused(
                "a registration that no person makes",
                partial(api.call, "POST", "/v1/auth/register", programs | token), 422, "invalid",
            )  # fmt: skip
        first = api.call("POST", "/v1/auth/login", credentials)
        second = api.call("POST", "/v1/auth/refresh", {"refresh_token": first["refresh_token"]})
        checks.that("refresh tokens rotate", second["refresh_token"] != first["refresh_token"])
        api.call("POST", "/v1/auth/logout", {"refresh_token": second["refresh_token"]}, token=second["access_token"])
        checks.refused(
            "a session that has ended",
            lambda: api.call("POST", "/v1/auth/refresh", {"refresh_token": second["refresh_token"]}), 401, "unauthenticated",
        )  # fmt: skip

    def goods(self) -> None:
        run, checks = self.run, self.checks
        self.seller.open_shop(f"Harbour Goods {run}", f"harbour-{run}")
        self.neighbour.open_shop(f"Next Door {run}", f"next-door-{run}")
        self.stranger.open_shop(f"Far Away {run}", f"far-away-{run}")
        wish = {"name": f"Lamps {run}"}
        checks.refused("a seller's category", lambda: self.seller.call("POST", "/v1/categories", wish), 403, "forbidden")
        category = self.staff.call("POST", "/v1/categories", wish)["id"]
        self.variants = [
            *self.seller.list_product(category, f"Brass lamp {run}", 4_999, [10, 5]),
            *self.neighbour.list_product(category, f"Lamp oil {run}", 1_250, [20]),
        ]
        listed = self.world.api.call("GET", f"/v1/products?category={category}")["items"]
        checks.equal("both are listed", len(listed), 2)
        lamp = next(item["id"] for item in listed if item["title"].startswith("Brass"))
        shown = self.world.api.call("GET", f"/v1/products/{lamp}")["variants"]
        checks.equal("with what is free", [variant["available"] for variant in shown], [10, 5])

    def guest(self) -> None:
        checks, api, oil = self.checks, self.world.api, self.variants[2]
        cart = api.call("POST", "/v1/carts")
        secret, path = {"cart-token": cart["token"]}, f"/v1/carts/{cart['id']}"
        api.call("PUT", f"{path}/lines/{oil}", {"quantity": 2}, headers=secret)
        checks.refused("without its secret", lambda: api.call("GET", path), 404, "not-found")
        token = self.stranger.token()
        merged = api.call("POST", f"{path}/merge", token=token, headers=secret)
        lines = [(line["variant"], line["quantity"]) for line in merged["lines"]]
        checks.equal("lines of the user's cart", lines, [(oil, 2)])
        checks.refused("the guest's cart has ended", lambda: api.call("GET", path, headers=secret), 404, "not-found")

    def ordering(self) -> None:
        checks, buyer, lamp = self.checks, self.buyer, self.variants[0]
        cart = buyer.call("POST", "/v1/carts")["id"]
        line = f"/v1/carts/{cart}/lines"
        checks.refused(
            "more than there are", lambda: buyer.call("PUT", f"{line}/{lamp}", {"quantity": 11}), 409, "insufficient-stock"
        )
        own = self.seller.call("POST", "/v1/carts")["id"]
        checks.refused(
            "own goods", lambda: self.seller.call("PUT", f"/v1/carts/{own}/lines/{lamp}", {"quantity": 1}), 422, "own-goods"
        )
        checks.refused("another's cart", lambda: self.stranger.call("GET", f"/v1/carts/{cart}"), 404, "not-found")
        for variant, quantity in zip(self.variants, (2, 1, 3), strict=True):
            buyer.call("PUT", f"{line}/{variant}", {"quantity": quantity})
        quote = buyer.call("POST", f"/v1/carts/{cart}/quote", {"address": self.address})
        checks.equal("goods of the quote", quote["totals"]["goods"]["amount"], 3 * 4_999 + 3 * 1_250)
        wish = {"cart": cart, "address": self.address, "quote": quote["hash"]}
        stale = checks.refused(
            "a quote nobody gave",
            lambda: buyer.call("POST", "/v1/orders", wish | {"quote": "0" * len(quote["hash"])}), 409, "quote-changed",
        )  # fmt: skip
        checks.equal("the refusal carries the quote", stale.document["quote"]["hash"], quote["hash"])
        key = uuid.uuid4().hex
        self.order = buyer.call("POST", "/v1/orders", wish, key=key)
        checks.equal("its state", self.order["state"], "awaiting_payment")
        checks.equal("its total", self.order["totals"]["total"], quote["totals"]["total"])
        checks.equal("repeated", buyer.call("POST", "/v1/orders", wish, key=key), self.order)
        checks.refused(
            "the key of another wish", lambda: buyer.call("POST", "/v1/orders", wish | {"quote": "0"}, key=key),
            422, "idempotency-key-reused",
        )  # fmt: skip
        checks.equal("stock is reserved", [self.stock(0), self.stock(1)], [(8, 2, 0), (4, 1, 0)])
        # Nobody will pay this one; the last chapters come back to it.
        self.unpaid = self.place({self.variants[1]: 1})

    def paying(self) -> None:
        checks, world = self.checks, self.world
        self.payment = self.start_payment(self.order)
        checks.that("there is a secret to confirm with", self.payment["client_secret"])
        checks.equal("the amount", self.payment["amount"], self.order["totals"]["total"])
        checks.equal("one live attempt", self.start_payment(self.order)["provider_id"], self.payment["provider_id"])
        declined = world.confirm(self.payment, "pm_card_chargeDeclined")
        checks.equal("a card is declined", declined.status, 402)
        checks.equal("and another one taken", world.confirm(self.payment).status, 200)
        checks.becomes("state of the order", lambda: self.state(self.order), "paid")
        checks.equal("stock is committed", (self.stock(0), self.stock(1)[2]), ((8, 0, 2), 1))
        checks.equal("charged once, in full", self.intent(self.payment)["amount_received"], self.payment["amount"]["amount"])

    def webhooks(self) -> None:
        checks, world, state = self.checks, self.world, self.world.control("/stripe/state")
        record = next(
            event for event in state["events"]
            if event["type"] == "payment_intent.succeeded" and event["object_id"] == self.payment["provider_id"]
        )  # fmt: skip
        before = self.trail()
        body, now = json.dumps(record["body"]).encode(), int(time.time())
        for what, header in (
            ("no signature", None),
            ("another's signature", signature("whsec_wrong", now, body)),
            ("an old signature", signature(STRIPE_WEBHOOK_SECRET, now - STALE_SECONDS, body)),
            ("the signature of another body", signature(STRIPE_WEBHOOK_SECRET, now, body + b" ")),
        ):
            headers = {"stripe-signature": header} if header else {}
            answer = world.api.send("POST", "/v1/webhooks/stripe", body, headers=headers)
            checks.equal(what, answer.status, 400)
        world.control("/stripe/redeliver", {"event": record["id"], "copies": 3})
        checks.that("deliveries end", world.control("/stripe/settled", {"timeout_ms": 30_000})["settled"])
        wait_until(self.queues_are_empty, "the queues to drain", SETTLE_SECONDS)
        checks.equal("nothing has changed", self.trail(), before)

    def trail(self) -> tuple[str, list[str], list[tuple[int, int, int]]]:
        """Everything that a purchase leaves behind."""
        events = self.buyer.call("GET", f"/v1/orders/{self.order['id']}/events")["items"]
        return self.state(self.order), [event["event"]["type"] for event in events], [self.stock(0), self.stock(1)]

    def queues_are_empty(self) -> bool:
        return not sum(queued(self.world).values())

    def second_payment(self) -> None:
        """As if the first attempt had been forgotten and the buyer had paid another one."""
        checks, total = self.checks, self.order["totals"]["total"]["amount"]
        made = self.world.stripe("/payment_intents", {
            "amount": str(total), "currency": "usd", "confirm": "true", "payment_method": "pm_card_visa",
            "metadata[order_id]": self.order["id"], "metadata[attempt]": "2",
        }, STRIPE_SECRET_KEY)  # fmt: skip
        checks.equal("the provider takes the money", made.status, 200)
        checks.becomes("given back", lambda: self.refunded(made.json()["id"]), total)
        checks.equal("the first payment stays", self.refunded(self.payment["provider_id"]), 0)
        checks.equal("state of the order", self.state(self.order), "paid")

    def shipping(self) -> None:
        checks, order = self.checks, self.order["id"]
        parts = {part["seller_name"]: part["id"] for part in self.order["parts"]}
        own, other = parts[f"Harbour Goods {self.run}"], parts[f"Next Door {self.run}"]
        seen = self.seller.call("GET", f"/v1/orders/{order}")
        checks.equal("a seller sees the own part", [part["id"] for part in seen["parts"]], [own])
        checks.that("and no payments", "payments" not in seen)
        checks.that("it is listed", order in [sale["id"] for sale in self.seller.call("GET", "/v1/orders?role=seller")["items"]])
        checks.refused("a stranger", lambda: self.stranger.call("GET", f"/v1/orders/{order}"), 404, "not-found")
        parcel = {"carrier": "dhl", "tracking_number": "00340434161094042557"}
        ship = f"/v1/orders/{order}/parts/{{}}/shipments".format
        for person in (self.neighbour, self.stranger, self.buyer):
            checks.refused("not theirs", partial(person.call, "POST", ship(own), parcel), 404, "not-found")
        arrived = f"/v1/orders/{order}/parts/{{}}/confirm-delivery".format
        checks.refused("not sent yet", lambda: self.buyer.call("POST", arrived(own)), 409, "order-state")
        checks.equal("sent", self.seller.call("POST", ship(own), parcel)["state"], "in_transit")
        checks.equal("sent stock is gone", self.stock(0), (8, 0, 0))
        checks.refused("too late to cancel", lambda: self.buyer.call("POST", f"/v1/orders/{order}/cancel"), 409, "order-state")
        checks.equal("the other part", self.neighbour.call("POST", ship(other), parcel)["state"], "in_transit")
        checks.refused("the seller's word", lambda: self.seller.call("POST", arrived(own)), 404, "not-found")
        checks.equal("arrived", self.buyer.call("POST", arrived(own))["state"], "delivered")
        checks.equal("one part is not all", self.state(self.order), "paid")
        checks.equal("all arrived", self.buyer.call("POST", arrived(other))["state"], "delivered")
        checks.equal("state of the order", self.state(self.order), "completed")

    def cancelled_unpaid(self) -> None:
        checks, before = self.checks, self.stock(0)
        order = self.place({self.variants[0]: 2})
        payment = self.start_payment(order)
        checks.refused(
            "a stranger's wish", lambda: self.stranger.call("POST", f"/v1/orders/{order['id']}/cancel"), 404, "not-found"
        )
        cancelled = self.buyer.call("POST", f"/v1/orders/{order['id']}/cancel")
        checks.equal("its state", cancelled["state"], "cancelled")
        checks.equal("stock is free again", self.stock(0), before)
        checks.becomes("the payment at the provider", lambda: self.intent(payment)["status"], "canceled")
        checks.equal("it cannot be paid", self.world.confirm(payment).status, 400)

    def cancelled_paid(self) -> None:
        checks, before = self.checks, self.stock(0)
        order = self.place({self.variants[0]: 1})
        payment = self.pay(order)
        checks.equal("its state", self.buyer.call("POST", f"/v1/orders/{order['id']}/cancel")["state"], "refunded")
        checks.equal("stock is free again", self.stock(0), before)
        total = order["totals"]["total"]["amount"]
        checks.becomes("given back at the provider", lambda: self.refunded(payment["provider_id"]), total)
        checks.becomes("and noted here", lambda: self.payment_states(order), ["refunded"])
        told = partial(mail_count, self.seller, f"Cancelled sale: order {order['id']}")
        checks.becomes("the seller is told not to send it", told, 1)

    def given_back(self) -> None:
        checks, thing = self.checks, self.variants[0]
        free, reserved, committed = self.stock(0)
        order = self.place({thing: 3})
        payment, path = self.pay(order), f"/v1/orders/{order['id']}"
        one = {"lines": [{"variant": thing, "quantity": 1}]}
        for person in (self.buyer, self.stranger, self.neighbour):
            checks.refused("not theirs to give", partial(person.call, "POST", f"{path}/refunds", {"amount": {"amount": 1, "currency": "USD"}}), 404, "not-found")
        first = self.seller.call("POST", f"{path}/refunds", one)["refund"]["amount"]["amount"]
        checks.becomes("given back for a unit", lambda: self.refunded(payment["provider_id"]), first)
        checks.equal("state of the order", self.state(order), "partially_refunded")
        checks.equal("it is on sale again", self.stock(0), (free - 2, reserved, committed + 2))
        part = f"{path}/parts/{order['parts'][0]['id']}"
        parcel = {"carrier": "dhl", "tracking_number": "1", **one}
        checks.equal("one is sent", self.seller.call("POST", f"{part}/shipments", parcel)["state"], "partly_shipped")
        rest = {"carrier": "dhl", "tracking_number": "2"}
        checks.equal("and the other", self.seller.call("POST", f"{part}/shipments", rest)["state"], "in_transit")
        checks.equal("both arrive", self.buyer.call("POST", f"{part}/confirm-delivery")["state"], "delivered")
        asked = self.buyer.call("POST", f"{path}/returns", {**one, "reason": "Too small"})["return"]
        back = f"/v1/returns/{asked['id']}"
        checks.refused("the buyer's word", lambda: self.buyer.call("POST", f"{back}/approve"), 404, "not-found")
        checks.equal("the seller agrees", self.seller.call("POST", f"{back}/approve")["return"]["state"], "approved")
        received = self.seller.call("POST", f"{back}/received", {"sellable": one["lines"]})
        second = received["refund"]["amount"]["amount"]
        checks.becomes("given back for the return", lambda: self.refunded(payment["provider_id"]), first + second)
        checks.equal("it is on sale again", self.stock(0), (free - 1, reserved, committed))
        some = {"amount": {"amount": 100, "currency": "USD"}, "destination": "wallet"}
        checks.equal("to the wallet at once", self.seller.call("POST", f"{path}/refunds", some)["refund"]["state"], "succeeded")
        left = order["totals"]["total"]["amount"] - first - second - 100
        more = {"amount": {"amount": left + 1, "currency": "USD"}}
        checks.refused("more than is left", lambda: self.seller.call("POST", f"{path}/refunds", more), 409, "refund-too-large")
        checks.equal("the provider gave no more", self.refunded(payment["provider_id"]), first + second)

    def payment_states(self, order: Json) -> list[str]:
        return [payment["state"] for payment in self.buyer.call("GET", f"/v1/orders/{order['id']}")["payments"]]

    def tables(self) -> None:
        """Counts of the warehouse, by file. The seller's article numbers are the variants' ids."""
        checks, seller, thing = self.checks, self.seller, self.variants[0]
        before = seller.stock(thing)
        table = f"sku,quantity,reason\n{thing},{before['on_hand'] + 3},stocktaking\nno-such-thing,1,\n".encode()
        done = self.imported(table)
        checks.equal("rows", [done[name] for name in ("rows", "applied", "unchanged", "refused")], [2, 1, 0, 1])
        checks.equal("results", [item["outcome"] for item in done["items"]], ["applied", "refused"])
        checks.equal("it was counted", seller.stock(thing)["on_hand"], before["on_hand"] + 3)
        path = f"/v1/inventory/imports/{done['id']}"
        checks.refused("another's import", lambda: self.neighbour.call("GET", path), 404, "not-found")
        again = self.imported(table)
        checks.equal("the same table again", (again["applied"], again["unchanged"]), (0, 1))
        export = seller.call("GET", "/v1/inventory/export")
        fetched = by_link("GET", export["url"])
        checks.equal("a table is fetched", fetched.status, 200)
        checks.that("everything is in it", all(variant.encode() in fetched.body for variant in self.variants[:2]))
        home = self.imported(fetched.body)
        checks.equal("what was fetched changes nothing", (home["rows"], home["unchanged"]), (export["rows"], export["rows"]))

    def waiting(self) -> None:
        """What comes back is held for who is next in line."""
        checks, first, second = self.checks, self.stranger, self.buyer
        category = self.staff.call("POST", "/v1/categories", {"name": f"Clocks {self.run}"})["id"]
        clock = self.seller.list_product(category, "A clock of which there is one", 4_900, [1])[0]
        path = f"/v1/variants/{clock}/alerts"
        checks.refused("in line while there is one", lambda: first.call("POST", path), 409, "in-stock")
        order = self.place({clock: 1})
        for who in (first, second):
            checks.equal("in line", who.call("POST", path)["state"], "waiting")
        self.buyer.call("POST", f"/v1/orders/{order['id']}/cancel")
        checks.becomes("what is held for the first", partial(held, first), [clock])
        checks.refused("a held unit, to somebody else", lambda: self.place({clock: 1}), 409, "insufficient-stock")
        checks.becomes("mails to the first", partial(mail_count, first, "is back in stock"), 1)
        first.call("DELETE", path)
        checks.becomes("what is held for the second", partial(held, second), [clock])
        order = self.place({clock: 1})
        checks.equal("what they wait for", [who.call("GET", "/v1/alerts")["items"] for who in (first, second)], [[], []])
        found = self.seller.stock(clock)
        checks.equal("the stock", (found["available"], found["reserved"]), (0, 1))
        self.buyer.call("POST", f"/v1/orders/{order['id']}/cancel")

    def imported(self, table: bytes) -> Json:
        """A table that the seller sends, once it is carried out."""
        checks, seller = self.checks, self.seller
        made = seller.call("POST", "/v1/inventory/imports", {"bytes": len(table)})
        checks.equal("more than was announced", by_link("PUT", made["upload"]["url"], table + b"x").status, 403)
        checks.equal("uploaded by its link", by_link("PUT", made["upload"]["url"], table).status, 200)
        path = f"/v1/inventory/imports/{made['id']}"
        checks.becomes("the table is carried out", lambda: seller.call("GET", path)["state"], "done")
        found: Json = seller.call("GET", path)
        return found

    def late_payment(self) -> None:
        """The buyer is faster than the cancellation on its way to the provider."""
        checks = self.checks
        # First with the goods still there, then with all of them sold to somebody else meanwhile.
        for quantity, bought_away, state in ((1, False, "paid"), (3, True, "cancelled")):
            free = self.stock(0)[0]
            order = self.place({self.variants[0]: quantity})
            payment = self.start_payment(order)
            self.world.control("/stripe/webhook", {"hold": True})
            self.world.control("/stripe/faults", {"operation": "cancel_intent", "delay_ms": 4_000})
            self.buyer.call("POST", f"/v1/orders/{order['id']}/cancel")
            taken = self.world.confirm(payment)
            checks.equal("the provider takes the money", taken.status, 200)
            rival = self.place({self.variants[0]: free}) if bought_away else None
            self.world.control("/stripe/release", {})
            owed = order["totals"]["total"]["amount"] if bought_away else 0
            checks.becomes("what went back", partial(self.refunded, payment["provider_id"]), owed)
            checks.becomes("state of the order", partial(self.state, order), state)
            if rival:
                self.buyer.call("POST", f"/v1/orders/{rival['id']}/cancel")

    def wrong_amount(self) -> None:
        checks = self.checks
        order = self.place({self.variants[0]: 1})
        payment = self.start_payment(order)
        self.world.control(f"/stripe/intents/{payment['provider_id']}/alter", {"amount": 100})
        checks.equal("the provider takes too little", self.world.confirm(payment).status, 200)
        checks.becomes("it goes back", lambda: self.refunded(payment["provider_id"]), 100)
        checks.equal("state of the order", self.state(order), "awaiting_payment")
        self.buyer.call("POST", f"/v1/orders/{order['id']}/cancel")

    def redirected(self, gateway: str) -> tuple[Json, Json]:
        """An order whose buyer is on a provider's pages."""
        order = self.place({self.variants[0]: 1})
        path = f"/v1/orders/{order['id']}/payments"
        payment: Json = self.buyer.call("POST", path, {"gateway": gateway})
        self.checks.that("there is a page to pay on", payment["redirect_url"].startswith(self.world.stack.providers_url))
        again = self.buyer.call("POST", path, {"gateway": gateway})
        self.checks.equal("one live attempt", again["redirect_url"], payment["redirect_url"])
        return order, payment

    def come_back(self, gateway: str, order: Json) -> None:
        """What the provider's page does last, and anybody could do at any time."""
        answer = self.world.api.send("GET", f"/v1/payments/{gateway}/return?order={order['id']}&attempt=1")
        self.checks.equal("sent on to the shop", answer.status, 303)
        self.checks.that("to their order", answer.headers["location"].endswith(f"/orders/{order['id']}"))

    def stripe_checkout(self) -> None:
        checks, world = self.checks, self.world
        order, payment = self.redirected("stripe_checkout")
        page = f"/stripe/sessions/{payment['provider_id']}/pay"
        checks.equal("a declined card", world.act(page, payment_method="pm_card_chargeDeclined").status, 402)
        checks.equal("another one", world.act(page).status, 200)
        checks.becomes("state of the order", lambda: self.state(order), "paid")
        checks.equal("the page is done", world.act(page).status, 400)
        sessions = {one["id"]: one["payment_intent"] for one in world.control("/stripe/state")["sessions"]}
        self.buyer.call("POST", f"/v1/orders/{order['id']}/cancel")
        total = order["totals"]["total"]["amount"]
        checks.becomes("it goes back", lambda: self.refunded(sessions[payment["provider_id"]]), total)

    def chapa(self) -> None:
        checks, world = self.checks, self.world
        order, payment = self.redirected("chapa")
        self.come_back("chapa", order)
        forged = world.api.send(
            "POST", "/v1/webhooks/chapa", json.dumps({"event": "charge.success", "tx_ref": payment["provider_id"]}).encode(),
            headers={"x-chapa-signature": "00" * 32},
        )  # fmt: skip
        checks.equal("a forged message", forged.status, 400)
        world.control(f"/chapa/transactions/{payment['provider_id']}/pay", {})
        checks.becomes("state of the order", lambda: self.state(order), "paid")
        self.buyer.call("POST", f"/v1/orders/{order['id']}/cancel")
        checks.becomes("it goes back, once", self.refunded_by_chapa, [order["totals"]["total"]["amount"]])

    def carrier(self) -> None:
        checks, world, seller = self.checks, self.world, self.seller
        order = self.place({self.variants[0]: 1})
        self.pay(order)
        part = order["parts"][0]["id"]
        path = f"/v1/orders/{order['id']}/parts/{part}"
        parcel = f"{path}/rates?from={seller.add_address()}&weight_g=800&length_mm=300&width_mm=200&height_mm=100"
        checks.refused("another's rates", lambda: self.neighbour.call("GET", parcel), 404, "not-found")
        rates = seller.call("GET", parcel)["rates"]
        checks.that("the cheapest rate comes first", rates[0]["cost"]["amount"] < rates[1]["cost"]["amount"])
        wish = {"rate": rates[0]["rate"]}
        # Shippo sells the label, and we do not hear of it.
        world.control("/shippo/faults", {"operation": "buy", "when": "after", "answer": "drop"})
        label = seller.call("POST", f"{path}/labels", wish)
        checks.equal("found, for it was sold", label["state"], "bought")
        checks.equal("asked for again", seller.call("POST", f"{path}/labels", wish)["id"], label["id"])
        sold = [one for one in world.control("/shippo/state")["purchases"] if one["metadata"] == label["id"]]
        checks.equal("sold once", len(sold), 1)
        checks.refused(
            "another's label", lambda: self.neighbour.call("POST", f"{path}/labels", wish), 404, "not-found"
        )
        sent = seller.call("POST", f"{path}/shipments", {"label": label["id"]})
        checks.equal("sent with it", sent["shipments"][0]["tracking_number"], label["tracking_number"])
        checks.refused("given back", lambda: seller.call("DELETE", f"{path}/labels/{label['id']}"), 409, "in-use")
        event = {"event": "track_updated", "data": {"carrier": "usps", "tracking_number": label["tracking_number"],
                 "tracking_status": {"status": "DELIVERED"}}}  # fmt: skip
        forged = world.api.send(
            "POST", "/v1/webhooks/shippo", json.dumps(event).encode(), headers={"shippo-auth-signature": f"t={int(time.time())},v1=00"}
        )
        checks.equal("a forged word", forged.status, 400)
        where = f"/v1/orders/{order['id']}/tracking"
        for told, state in (("OUT_FOR_DELIVERY", "out_for_delivery"), ("DELIVERED", "delivered"), ("TRANSIT", "delivered")):
            world.control(f"/shippo/tracks/usps/{label['tracking_number']}", {"status": told})
            checks.becomes(told, lambda: self.buyer.call("GET", where)["shipments"][0]["state"], state)
        checks.becomes("state of the order", lambda: self.state(order), "completed")

    def refunded_by_chapa(self) -> list[int]:
        return [made["amount_minor"] for made in self.world.control("/chapa/state")["refunds"]]

    def paypal(self) -> None:
        checks, world = self.checks, self.world
        world.control("/paypal/webhook", {"hold": True})
        order, payment = self.redirected("paypal")
        world.control(f"/paypal/orders/{payment['provider_id']}/approve", {})
        checks.equal("nothing is taken by approving", self.state(order), "awaiting_payment")
        self.come_back("paypal", order)
        checks.becomes("state of the order", lambda: self.state(order), "paid")
        world.control("/paypal/release", {})
        checks.that("deliveries end", world.control("/paypal/settled", {"timeout_ms": 30_000})["settled"])
        events = world.control("/paypal/state")["events"]
        answers = [attempt["result"] for event in events for attempt in event["attempts"]]
        checks.equal("PayPal's signature is believed", answers, [{"answered": 204}] * len(events))
        self.buyer.call("POST", f"/v1/orders/{order['id']}/cancel")
        checks.becomes("it goes back, once", self.refunded_by_paypal, [order["totals"]["total"]["amount"]])

    def refunded_by_paypal(self) -> list[int]:
        captures = [order["capture"] for order in self.world.control("/paypal/state")["orders"] if order["capture"]]
        return [refund["amount_minor"] for capture in captures for refund in capture["refunds"]]

    def changed_mind(self) -> None:
        checks = self.checks
        order, chapa = self.redirected("chapa")
        payment = self.start_payment(order)
        checks.equal("the second attempt", payment["attempt"], 2)
        states = {one["tx_ref"]: one["status"] for one in self.world.control("/chapa/state")["transactions"]}
        checks.equal("Chapa's page is closed", states[chapa["provider_id"]], "cancelled")
        checks.equal("the card is taken", self.world.confirm(payment).status, 200)
        checks.becomes("state of the order", lambda: self.state(order), "paid")

    def without_account(self) -> None:
        checks, guest, account = self.checks, self.person("visitor"), self.person("visitor")
        checks.refused(
            "a guest that no person is",
            lambda: self.world.api.call("POST", "/v1/auth/guest", {"email": guest.email}), 422, "invalid",
        )  # fmt: skip
        order = self.place({self.variants[2]: 1}, guest=guest.come_as_guest())
        path = f"/v1/orders/{order['id']}"
        payment = guest.call("POST", f"{path}/payments", {"gateway": "stripe"})
        checks.equal("the guest's card is taken", self.world.confirm(payment).status, 200)
        checks.becomes("state of the guest's order", lambda: guest.call("GET", path)["state"], "paid")
        account.sign_up()
        checks.becomes(
            "the account's orders", lambda: [found["id"] for found in account.call("GET", "/v1/orders")["items"]], [order["id"]]
        )
        checks.refused("the guest's order, to the guest", lambda: guest.call("GET", path), 404, "not-found")
        late = self.place({self.variants[2]: 1}, guest=self.person("visitor").come_as_guest())
        checks.equal("claimed by hand", account.call("POST", "/v1/orders/claim"), {"orders": 2})
        checks.equal("an order of a later guest", account.call("GET", f"/v1/orders/{late['id']}")["state"], "awaiting_payment")
        checks.becomes("mails to the guest", partial(mail_count, account, f"Payment received for order {order['id']}"), 1)

    def expired(self) -> None:
        """Its time has run since the order chapter; the sweep comes by itself every minute."""
        checks = self.checks
        checks.becomes("state of the order", lambda: self.state(self.unpaid), "cancelled", EXPIRY_SECONDS + 90)
        available, reserved, _ = self.stock(1)
        checks.equal("its stock is free again", (available, reserved), (4, 0))
        checks.refused(
            "too late to pay", lambda: self.start_payment(self.unpaid), 409, "order-state"
        )

    def mails(self) -> None:
        checks, order = self.checks, self.order["id"]
        expected = [
            (self.buyer, "Confirm your e-mail address", 1), (self.seller, "Confirm your e-mail address", 1),
            (self.buyer, f"Your order {order}", 1), (self.buyer, f"Payment received for order {order}", 1),
            (self.seller, f"New sale: order {order}", 1), (self.neighbour, f"New sale: order {order}", 1),
            (self.buyer, f"Order {order} is on its way", 2), (self.buyer, f"Refund for order {order}", 1),
            (self.buyer, f"Order {self.unpaid['id']} is cancelled", 1),
        ]  # fmt: skip
        for person, subject, count in expected:
            who = person.username.split("-")[0]
            checks.becomes(f"mails to the {who}: {subject}", partial(mail_count, person, subject), count)
            for mail in person.mails(subject):
                checks.that(f"text and HTML of {subject}", mail["BodyText"].strip() and "<html" in mail["BodyHtml"].lower())
        sale = self.seller.mails(f"New sale: order {order}")[0]["BodyText"]
        checks.that("a seller learns nothing of the other part", "Brass lamp" in sale and "Lamp oil" not in sale)

    def books(self) -> None:
        checks = self.checks
        for variant in self.variants[:2]:
            version = self.seller.stock(variant)["version"]
            chain = wait_until(partial(self.movements, variant, version), "every movement", SETTLE_SECONDS)
            check_chain(checks, chain)
            audit = self.staff.call("GET", f"/v1/admin/inventory/{variant}/movements")
            checks.equal("recomputed by staff", (audit["clean"], audit["broken"]), (True, []))
        found = self.staff.call("GET", "/v1/admin/invariants")
        checks.equal("findings", (found["problems"], found["clean"]), ([], True))

    def movements(self, variant: str, version: int) -> list[Json]:
        found = movements(self.seller, variant)
        return found if found and found[-1]["number"] >= version else []


def held(person: Person) -> list[str]:
    """The variants of which a unit is held for somebody."""
    return [alert["variant"] for alert in person.call("GET", "/v1/alerts")["items"] if alert["state"] == "held"]


def mail_count(person: Person, subject: str) -> int:
    return len(person.mails(subject))


def movements(seller: Person, variant: str) -> list[Json]:
    """Every movement of a variant's stock, oldest first."""
    return every(seller, f"/v1/inventory/{variant}/movements?limit=100")[::-1]


def check_chain(checks: Checks, chain: list[Json]) -> None:
    """Each movement starts where the one before ended, and names its hash."""
    checks.equal("movements are counted without gaps", [m["number"] for m in chain], list(range(1, len(chain) + 1)))
    for before, after in itertools.pairwise(chain):
        if after["prev_hash"] != before["hash"] or after["before"] != before["after"]:
            raise Failure(f"movement {after['number']} does not follow from the one before")
    checks.that("the chain is unbroken", not chain[0]["prev_hash"])


def queued(world: World) -> dict[str, int]:
    """How many messages each queue holds, those under way included."""
    queues, found = world.stack.aws.client("sqs"), {}
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    for url in queues.list_queues().get("QueueUrls", []):
        counts = queues.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        found[url.rsplit("/", 1)[-1]] = sum(int(counts[name]) for name in names)
    return found


def signature(secret: str, at: int, body: bytes) -> str:
    """As Stripe signs."""
    tag = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={tag}"


def run(stack: Stack) -> None:
    """Tells the story; fails when something in it does not hold."""
    say("==> a purchase on the deployed stack")
    started = time.monotonic()
    checks = Purchase(World.of(stack)).tell()
    say(f"    {checks.passed} passed, {checks.failed} failed in {time.monotonic() - started:.0f} s")
    if checks.failed:
        raise Failure("the purchase failed on the deployed stack")
