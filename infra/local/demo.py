"""Demo data, loaded through the API like anything else: shops, categories, products, and a login for each role.

Loading it again changes nothing: people sign in, and what is there stays.
"""

import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from . import pictures
from .client import Json, Person, Problem, World, usd
from .console import Failure, step
from .deploy import Stack

PASSWORD = "demo-harbour-42"
BUCKET = "sutler-demo-pictures"


@dataclass(frozen=True)
class Shop:
    """A shop and who runs it."""

    owner: str
    name: str
    slug: str
    policy: str


@dataclass(frozen=True)
class Good:
    """A product; each choice of its option is a variant, with what it costs beyond the price and how many there are."""

    shop: str
    category: str
    title: str
    description: str
    brand: str
    shape: str
    cents: int
    grams: int
    option: str = ""
    choices: tuple[tuple[str, int, int], ...] = (("", 0, 20),)


# Name, and what it is part of.
CATEGORIES = (
    ("Home", None), ("Kitchen", "Home"), ("Lighting", "Home"), ("Furniture", "Home"), ("Textiles", "Home"),
    ("Clothing", None), ("Paper", None), ("Stationery", "Paper"), ("Prints", "Paper"),
)  # fmt: skip

SHOPS = (
    Shop("mara", "Kiln & Table", "kiln-and-table", "Unused pieces come back within 30 days; we pay for the way."),
    Shop("otto", "Northlight Workshop", "northlight-workshop", "Returns within 14 days, in the original box."),
    Shop("noor", "Paper Lantern Press", "paper-lantern-press", "Printed to order; damaged sheets are replaced at once."),
)

SIZES = (("S", 0, 8), ("M", 0, 14), ("L", 0, 12), ("XL", 200, 5))
GOODS = (
    Good("kiln-and-table", "Kitchen", "Stoneware mug", "Thrown by hand, glazed inside, bare outside. Holds 320 ml and keeps "
         "coffee warm through one long phone call.", "Kiln & Table", "mug", 2_400, 380, "Glaze",
         (("Oat", 0, 24), ("Moss", 0, 18), ("Ink", 200, 9))),
    Good("kiln-and-table", "Kitchen", "Noodle bowl", "A deep bowl with a steady foot, for soups and everything that drips. "
         "Safe in dishwasher and microwave.", "Kiln & Table", "bowl", 3_200, 620, "Glaze", (("Oat", 0, 16), ("Ink", 300, 7))),
    Good("kiln-and-table", "Home", "Bud vase", "Small enough for one stem, heavy enough not to tip over.", "Kiln & Table",
         "vase", 2_800, 450, choices=(("", 0, 15),)),
    Good("kiln-and-table", "Kitchen", "Oiled oak board", "Cut from one plank of oak, oiled twice. The grain differs from board "
         "to board.", "Tiller", "board", 4_900, 1_400, "Size", (("Small", 0, 12), ("Large", 2_000, 6))),
    Good("kiln-and-table", "Home", "Beeswax candle", "Burns for about 40 hours and smells of very little.", "Hive 9", "candle",
         1_600, 260, choices=(("", 0, 60),)),
    Good("kiln-and-table", "Kitchen", "Serving bowl", "The big sister of the noodle bowl, for salad and for fruit.",
         "Kiln & Table", "bowl", 5_600, 1_300, choices=(("", 0, 5),)),
    Good("northlight-workshop", "Lighting", "Brass reading lamp", "A weighted foot and a shade that turns all the way round. "
         "Comes with a warm LED bulb.", "Northlight", "lamp", 12_900, 2_300, "Finish", (("Brushed", 0, 8), ("Black", 0, 11))),
    Good("northlight-workshop", "Lighting", "Linen shade lamp", "A soft light for a hallway or a bedside. The shade is sewn, "
         "not glued.", "Northlight", "lamp", 8_900, 1_500, choices=(("", 0, 10),)),
    Good("northlight-workshop", "Furniture", "Ash ladder chair", "Solid ash with a woven seat. Delivered assembled.",
         "Northlight", "chair", 24_900, 5_200, "Seat", (("Natural cord", 0, 6), ("Black cord", 0, 4))),
    Good("northlight-workshop", "Textiles", "Wool blanket", "Woven from undyed wool, 140 by 200 cm, with short fringes.",
         "Fell & Fold", "blanket", 11_500, 1_600, "Colour", (("Sand", 0, 9), ("Slate", 0, 9))),
    Good("northlight-workshop", "Clothing", "Linen work shirt", "Washed linen, horn buttons, a pocket for a pencil. Cut wide.",
         "Fell & Fold", "shirt", 7_900, 310, "Size", SIZES),
    Good("northlight-workshop", "Clothing", "Waxed cap", "Keeps off rain and sun. One size, with a strap.", "Fell & Fold",
         "cap", 3_900, 140, choices=(("", 0, 22),)),
    Good("northlight-workshop", "Clothing", "Canvas tote", "Heavy canvas with a flat bottom, made for books and bottles.",
         "Fell & Fold", "bag", 2_900, 420, "Colour", (("Natural", 0, 30), ("Navy", 0, 25))),
    Good("paper-lantern-press", "Stationery", "Stitched notebook", "Ninety-six pages of paper that a fountain pen likes; opens "
         "flat.", "Lantern", "book", 1_400, 210, "Ruling", (("Plain", 0, 40), ("Dotted", 0, 40), ("Lined", 0, 35))),
    Good("paper-lantern-press", "Stationery", "Brass ballpoint", "Turned from one rod, takes standard refills, grows darker with "
         "use.", "Lantern", "pen", 3_600, 45, choices=(("", 0, 18),)),
    Good("paper-lantern-press", "Prints", "Two hills at noon", "A two-colour risograph print on 270 g paper, numbered, signed.",
         "Paper Lantern Press", "print", 4_500, 120, "Format", (("A4", 0, 20), ("A3", 2_500, 12))),
    Good("paper-lantern-press", "Prints", "Harbour, winter", "The view from the press's window in January. Edition of 25.",
         "Paper Lantern Press", "print", 6_500, 160, choices=(("", 0, 25),)),
    Good("paper-lantern-press", "Stationery", "Recipe journal", "Room for 120 recipes, an index, and a ribbon.", "Lantern",
         "book", 2_200, 380, choices=(("", 0, 16),)),
)  # fmt: skip


def load(stack: Stack) -> str:
    """Fills the stack and answers what the user should know, logins above all."""
    world = World.of(stack)
    with step("loading demo data"):
        try:
            _load(world)
        except (Problem, OSError, ClientError) as error:
            raise Failure(f"the demo data could not be loaded: {error}") from None
    logins = [("buyer", "buyer"), ("seller", SHOPS[0].owner), ("staff", "staff")]
    lines = [f"  {role:<8} {_email(name):<24} {PASSWORD}" for role, name in logins]
    title = f"Logins   ({len(SHOPS)} shops with {len(GOODS)} products)"
    return "\n".join([title, *lines])


def _load(world: World) -> None:
    staff = _person(world, "staff").enter().grant("admin")
    buyer = _person(world, "buyer").enter()
    if not buyer.call("GET", "/v1/users/me/addresses")["items"]:
        buyer.add_address()
    categories = _categories(staff)
    _make_bucket(world)
    for shop in SHOPS:
        owner = _person(world, shop.owner).enter()
        listed = _listed(world, shop, owner)
        for good in (good for good in GOODS if good.shop == shop.slug and good.title not in listed):
            owner.call("POST", "/v1/products", _product(good, categories[good.category], _upload(world, good)))


def _email(name: str) -> str:
    return f"{name}@demo.example"


def _person(world: World, name: str) -> Person:
    return Person(world, _email(name), name, PASSWORD)


def _categories(staff: Person) -> dict[str, str]:
    """Their ids by name; what is missing is added."""
    found = {item["name"]: str(item["id"]) for item in staff.call("GET", "/v1/categories")["items"]}
    for name, parent in CATEGORIES:
        if name not in found:
            wish: Json = {"name": name} | ({"parent": found[parent]} if parent else {})
            found[name] = str(staff.call("POST", "/v1/categories", wish)["id"])
    return found


def _listed(world: World, shop: Shop, owner: Person) -> set[str]:
    """The titles a shop has; it is opened when there is none."""
    try:
        seller = world.api.call("GET", f"/v1/sellers/{shop.slug}")
    except Problem as problem:
        if problem.status != 404:
            raise
        owner.open_shop(shop.name, shop.slug, shop.policy)
        return set()
    page = world.api.call("GET", f"/v1/products?seller={seller['id']}&limit=100")
    return {item["title"] for item in page["items"]}


def _product(good: Good, category: str, image: str) -> Json:
    def variant(choice: str, extra: int, quantity: int) -> Json:
        found: Json = {"quantity": quantity, "weight_g": good.grams}
        if choice:
            found["options"] = [{"name": good.option, "value": choice}]
        if extra:
            found["price"] = usd(good.cents + extra)
        return found

    options: list[Any] = []
    if good.option:
        options = [{"name": good.option, "values": [choice for choice, _, _ in good.choices]}]
    return {
        "title": good.title, "description": good.description, "brand": good.brand, "category": category,
        "price": usd(good.cents), "image": image, "options": options,
        "variants": [variant(*choice) for choice in good.choices],
    }  # fmt: skip


def _make_bucket(world: World) -> None:
    """Pictures of the demo are public, unlike the bucket of the stack, which browsers reach by signed links only."""
    storage = world.stack.aws.client("s3")
    if BUCKET in [bucket["Name"] for bucket in storage.list_buckets()["Buckets"]]:
        return
    storage.create_bucket(Bucket=BUCKET)
    storage.delete_public_access_block(Bucket=BUCKET)
    everyone = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{BUCKET}/*"}
    storage.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps({"Version": "2012-10-17", "Statement": [everyone]}))


def _upload(world: World, good: Good) -> str:
    """Puts the picture of a product where browsers can see it, and answers its address."""
    name = good.title.lower().replace(",", "").replace(" ", "-") + ".svg"
    world.stack.aws.client("s3").put_object(
        Bucket=BUCKET, Key=name, Body=pictures.draw(good.shape, good.title), ContentType="image/svg+xml",
        CacheControl="public, max-age=86400",
    )  # fmt: skip
    return f"{world.stack.aws.endpoint}/{BUCKET}/{name}"
