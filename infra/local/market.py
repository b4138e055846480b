"""The people and the goods of the load proof."""

import concurrent.futures
import itertools
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .client import Json, Person, World
from .console import say

PASSWORD = "a-quiet-harbour-42"
# Those who sign up at the same time. Hashing a password keeps a core busy, so more would only wait.
SIGN_UPS = 12
SIGN_UP_SECONDS = 600
# Every so many-th buyer has no account.
GUEST_EVERY = 5
OTHERS = (("Linen napkin", 900, 5_000), ("Wool blanket", 7_900, 5_000), ("Oak spoon", 1_450, 60), ("Copper pan", 11_900, 30))
# The first of the others is sold over so many shards.
SHARDS, LIMIT_PER_BUYER = 8, 1
COUPON_USES = 40
# What sellers send with labels: the goods of two of them.
PARCEL_PRICE, PARCEL_UNITS = 4_900, 100
# What the seller counts by a table: products with as many variants as they may begin with.
VARIANTS_PER_PRODUCT, PRODUCTS_MIN, PRODUCTS_MAX, BUYERS_PER_PRODUCT = 30, 4, 12, 20


@dataclass
class Tally:
    """What happened, from many threads."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1

    def timed(self, what: str, call: Callable[[], Any]) -> Any:
        started = time.monotonic()
        try:
            return call()
        finally:
            with self.lock:
                self.seconds.setdefault(what, []).append(time.monotonic() - started)


@dataclass
class Market:
    """The people and the goods."""

    world: World
    staff: Person
    seller: Person
    neighbour: Person
    # Both of them, by their ids as sellers.
    shops: dict[str, Person]
    # What everybody wants.
    hot: str
    others: list[str]
    # Of the others, the one that is sold over several shards, with a limit for each buyer.
    spread: str
    # One of each seller's.
    parcel_goods: list[str]
    # What nobody buys, and the seller counts.
    side: list[str]
    # How many there are of what is bought, and how many there were at most.
    stocked: dict[str, int]
    most: dict[str, int]
    coupon: str

    def seller_of(self, variant: str) -> Person:
        return self.neighbour if variant == self.parcel_goods[1] else self.seller


@dataclass
class Buyer:
    """One of the crowd."""

    person: Person
    address: str
    number: int
    is_guest: bool = False
    orders: list[Json] = field(default_factory=list)
    has_hot: bool = False


def in_parallel(work: Callable[[Any], Any], items: list[Any], threads: int) -> list[Any]:
    """The results, in no order. The first failure ends it, without waiting for those that are still at work."""
    pool = concurrent.futures.ThreadPoolExecutor(min(threads, len(items)))
    futures = [pool.submit(work, item) for item in items]
    try:
        return [future.result() for future in concurrent.futures.as_completed(futures)]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def prepare_market(world: World, units: int, buyers: int) -> Market:
    """Sellers' goods: the one that everybody wants, and others; some of those are scarce as well."""
    run = uuid.uuid4().hex[:6]
    staff, seller, neighbour = (
        Person(world, f"{name}-{run}@proof.example", f"{name}-{run}", PASSWORD) for name in ("clerk", "maker", "neighbour")
    )
    in_parallel(Person.sign_up, [staff, seller, neighbour], 3)
    staff.grant("admin")
    shops = {
        str(person.open_shop(f"The {name.title()} {run}", f"{name}-{run}")["id"]): person
        for name, person in (("maker", seller), ("neighbour", neighbour))
    }
    category = staff.call("POST", "/v1/categories", {"name": f"Proof {run}"})["id"]
    hot = seller.list_product(category, f"The last lamps {run}", 12_900, [units])[0]
    stocked, others = {hot: units}, []
    for title, price, quantity in OTHERS:
        variant = seller.list_product(category, f"{title} {run}", price, [quantity])[0]
        others.append(variant)
        stocked[variant] = quantity
    seller.call("PUT", f"/v1/inventory/{others[0]}/flash-sale", {"shards": SHARDS, "per_buyer_limit": LIMIT_PER_BUYER})
    parcel_goods = [owner.list_product(category, f"Parcel goods {run}", PARCEL_PRICE, [PARCEL_UNITS])[0] for owner in (seller, neighbour)]
    stocked |= dict.fromkeys(parcel_goods, PARCEL_UNITS)
    products = max(PRODUCTS_MIN, min(PRODUCTS_MAX, buyers // BUYERS_PER_PRODUCT))
    side = [
        variant for number in range(products)
        for variant in seller.list_product(category, f"Button {number} {run}", 100, [1] * VARIANTS_PER_PRODUCT)
    ]  # fmt: skip
    coupon = f"PROOF-{run}".upper()
    staff.call("POST", "/v1/coupons", {
        "code": coupon, "scope": "marketplace", "worth": {"kind": "percentage", "rate": 1_000}, "uses_max": COUPON_USES,
        "ends_at": time.strftime("%Y-%m-%dT00:00:00Z", time.gmtime(time.time() + 30 * 86_400)),
    })  # fmt: skip
    return Market(
        world, staff, seller, neighbour, shops, hot, others, others[0], parcel_goods, side, stocked, dict(stocked), coupon
    )


def prepare_buyers(world: World, count: int, with_guests: bool = True) -> list[Buyer]:
    """Accounts with verified addresses, signed in, and some guests; says now and then how far it is."""
    run, done, lock = uuid.uuid4().hex[:6], itertools.count(1), threading.Lock()

    def prepare(number: int) -> Buyer:
        person, is_guest = Person(world, f"b{number}-{run}@crowd.example", f"b{number}-{run}", PASSWORD), number % GUEST_EVERY == 0
        is_guest = is_guest and with_guests
        person = person.come_as_guest() if is_guest else person.sign_up(SIGN_UP_SECONDS)
        buyer = Buyer(person, person.add_address(), number, is_guest)
        with lock:
            ready = next(done)
        if ready % 50 == 0 and ready < count:
            say(f"    {ready} of {count} buyers have signed up")
        return buyer

    # Most of a sign-up is waiting for the mail, so there are more threads than sign-ups the cores can hash for.
    return sorted(in_parallel(prepare, list(range(count)), SIGN_UPS), key=lambda buyer: buyer.number)


def quantities(order: Json) -> dict[str, int]:
    found: Counter[str] = Counter()
    for line in (line for part in order["parts"] for line in part["lines"]):
        found[line["variant"]] += line["quantity"]
    return dict(found)
