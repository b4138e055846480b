"""Pictures for the demo products: flat drawings as SVG, the same on every run."""

import hashlib

# Background, main colour, accent.
PALETTES = (
    ("#f3ede4", "#8a5a3b", "#d9b38c"), ("#e8f0ee", "#2f5d62", "#a7c4bc"), ("#f6eae7", "#a3473f", "#e8b4a8"),
    ("#ebeef5", "#34466b", "#a9b8d6"), ("#f4f0dc", "#6b6a2f", "#cfc98a"), ("#f0e9f2", "#5e4370", "#c3acd0"),
)  # fmt: skip

# Each in a square of 400, drawn with {main} and {accent}.
SHAPES = {
    "mug": '<rect x="120" y="140" width="140" height="150" rx="14" fill="{main}"/>'
    '<path d="M260 170h24a36 36 0 0 1 0 86h-24" fill="none" stroke="{main}" stroke-width="18"/>'
    '<path d="M160 110q14-22 0-44M200 110q14-22 0-44" fill="none" stroke="{accent}" stroke-width="8"/>',
    "bowl": '<path d="M90 190h220a110 110 0 0 1-220 0z" fill="{main}"/>'
    '<rect x="160" y="292" width="80" height="16" fill="{main}"/>'
    '<path d="M110 214h180" stroke="{accent}" stroke-width="10"/>',
    "vase": '<path d="M160 90h80l-14 60q56 60 34 130-10 30-60 30t-60-30q-22-70 34-130z" fill="{main}"/>'
    '<path d="M142 240q58 24 116 0" fill="none" stroke="{accent}" stroke-width="10"/>',
    "lamp": '<path d="M140 90h120l40 110H100z" fill="{main}"/>'
    '<rect x="190" y="200" width="20" height="90" fill="{accent}"/>'
    '<rect x="140" y="286" width="120" height="20" rx="8" fill="{main}"/>',
    "chair": '<path d="M130 80h18v130h104V80h18v240h-18v-70H148v70h-18z" fill="{main}"/>'
    '<rect x="148" y="110" width="104" height="26" fill="{accent}"/>'
    '<rect x="148" y="160" width="104" height="18" fill="{accent}"/>',
    "board": '<rect x="110" y="120" width="180" height="200" rx="26" fill="{main}"/>'
    '<rect x="184" y="70" width="32" height="70" rx="12" '
    'fill="{main}"/><circle cx="200" cy="92" r="8" fill="{accent}"/>'
    '<path d="M140 180h120M140 230h120" stroke="{accent}" stroke-width="5"/>',
    "blanket": '<rect x="100" y="110" width="200" height="190" rx="10" fill="{main}"/>'
    '<path d="M100 150h200M100 190h200M100 230h200M100 270h200" stroke="{accent}" stroke-width="9"/>'
    '<path d="M110 300v22M140 300v22M170 300v22M200 300v22M230 300v22M260 300v22M290 300v22" stroke="{main}" stroke-width="6"/>',
    "shirt": '<path d="M150 90l50 26 50-26 60 44-32 50-28-18v150H150V166l-28 18-32-50z" fill="{main}"/>'
    '<path d="M200 116v200" stroke="{accent}" stroke-width="5"/>',
    "cap": '<path d="M110 230a90 90 0 0 1 180 0z" fill="{main}"/><path d="M100 230h200v26H100z" fill="{accent}"/>'
    '<circle cx="200" cy="136" r="12" fill="{accent}"/>',
    "bag": '<path d="M120 160h160l20 150H100z" fill="{main}"/><path d="M160 180v-50a40 40 0 0 1 80 0v50" fill="none" '
    'stroke="{accent}" stroke-width="12"/>',
    "book": '<rect x="120" y="90" width="160" height="220" rx="8" fill="{main}"/>'
    '<rect x="120" y="90" width="24" height="220" '
    'fill="{accent}"/><path d="M170 150h80M170 176h56" stroke="{accent}" stroke-width="8"/>',
    "print": '<rect x="110" y="80" width="180" height="240" fill="{main}"/>'
    '<rect x="130" y="100" width="140" height="200" fill="#fff"/>'
    '<circle cx="222" cy="158" r="24" fill="{accent}"/><path d="M130 270l50-70 36 44 24-28 30 54z" fill="{main}"/>',
    "pen": '<path d="M110 290l20-60 130-130 40 40-130 130z" fill="{main}"/>'
    '<path d="M110 290l20-60 40 40z" fill="{accent}"/>',
    "candle": '<rect x="150" y="170" width="100" height="140" rx="10" fill="{main}"/>'
    '<path d="M200 170v-24" stroke="#333" stroke-width="5"/>'
    '<path d="M200 80q34 40 0 66-34-26 0-66z" fill="{accent}"/>',
}  # fmt: skip


def draw(shape: str, title: str) -> bytes:
    """The picture of a product."""
    background, main, accent = PALETTES[hashlib.sha256(title.encode()).digest()[0] % len(PALETTES)]
    drawing = SHAPES[shape].format(main=main, accent=accent)
    safe = title.replace("&", "&amp;").replace("<", "&lt;")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 400 400" role="img"><title>{safe}</title>'
        f'<rect width="400" height="400" fill="{background}"/>'
        f'<ellipse cx="200" cy="324" rx="120" ry="14" fill="#000" opacity=".08"/>{drawing}</svg>\n'
    ).encode()
