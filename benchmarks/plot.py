"""Draw orders per second over orders at once as SVG, both on logarithmic scales."""

from html import escape
from math import log10
from statistics import median

from benchmarks.loads import AT_ONCE, WORKERS, Load
from benchmarks.results import Measurement

COLOURS = {"floor": "#888888", "naive": "#d08000", "ours": "#0060c0"}
WIDTH, HEIGHT, GAP = 360, 260, 60
RATES = (1, 2, 5, 10, 20, 50, 100, 200)


def x(at_once: float) -> float:
    """Return the position of a number of orders at once."""
    return WIDTH * log10(at_once) / log10(AT_ONCE[-1])


def y(rate: float) -> float:
    """Return the position of orders per second; rates outside of the scale are on its edge."""
    share = log10(max(rate, RATES[0])) / log10(RATES[-1])
    return HEIGHT * (1 - min(share, 1.0))


def draw(measurement: Measurement) -> str:
    """Return the plot: a panel for each database."""
    panels = measurement.databases()
    width, height = GAP + len(panels) * (WIDTH + GAP), HEIGHT + 2 * GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}"'
        ' font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for number, database in enumerate(panels):
        parts.append(f'<g transform="translate({GAP + number * (WIDTH + GAP)},{GAP})">')
        parts += [*_axes(database), *_lines(measurement, database), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _axes(database: str) -> list[str]:
    title = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}.get(database, database)
    parts = [_text(0, -24, f"{title}: orders per second over orders at once", "start", "#000")]
    for rate in RATES:
        parts.append(f'<path d="M0 {y(rate):.1f}H{WIDTH}" stroke="#ddd"/>')
        parts.append(_text(-6, y(rate) + 4, str(rate), "end", "#555"))
    parts += [_text(x(each), HEIGHT + 18, str(each), "middle", "#555") for each in AT_ONCE]
    return parts


def _lines(measurement: Measurement, database: str) -> list[str]:
    by_load, parts = measurement.by_load(), []
    for contender, colour in COLOURS.items():
        for workers in WORKERS:
            loads = [Load(contender, database, at_once, workers) for at_once in AT_ONCE]
            rates = {
                load.at_once: [run.orders_per_s for run in by_load[load]]
                for load in loads
                if load in by_load
            }
            if rates:
                parts += _line(rates, colour, contender if workers == 1 else f"{workers} workers")
    return parts


def _line(rates: dict[int, list[float]], colour: str, name: str) -> list[str]:
    """Draw the medians as a line, and minimum to maximum as a bar at each."""
    points = [(x(at_once), y(median(each))) for at_once, each in rates.items()]
    path = "L".join(f"{left:.1f} {top:.1f}" for left, top in points)
    parts = [f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    for (left, top), each in zip(points, rates.values(), strict=True):
        span = f"M{left:.1f} {y(min(each)):.1f}V{y(max(each)):.1f}"
        parts.append(f'<path d="{span}" stroke="{colour}"/>')
        parts.append(f'<circle cx="{left:.1f}" cy="{top:.1f}" r="3" fill="{colour}"/>')
    left, top = points[-1]
    anchor = "end" if name == "2 workers" or left > WIDTH - GAP else "start"
    shift = 6 if anchor == "start" else -6
    return [*parts, _text(left + shift, top - 6, name, anchor, colour)]


def _text(left: float, top: float, text: str, anchor: str, colour: str) -> str:
    position = f'x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}" fill="{colour}"'
    return f"<text {position}>{escape(text)}</text>"
