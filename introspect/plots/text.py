"""Text that a figure or a page may show: nothing invisible (``introspect/terminal.py``), and no markup.

Replies of a model are hostile text until shown otherwise; plotly's small HTML dialect is switched off by escaping.
"""

import html

from introspect.terminal import counted, visible

__all__ = ["counted", "interval", "label", "number", "number_range", "percent", "visible"]


def label(text: str) -> str:
    """Prepare text for a plotly title, tick or hover label, where ``<b>`` and its like would be interpreted."""
    return html.escape(visible(text), quote=False)


def percent(rate: float) -> str:
    """Write a rate as a whole percentage; a rate that is not quite 0 or 1 is never written as if it were."""
    if 0 < rate < 0.005:
        return "<1 %"
    if 0.995 <= rate < 1:
        return ">99 %"
    return f"{100 * rate:.0f} %"


def interval(low: float, high: float) -> str:
    """Write an interval of rates, such as ``4–31 %``."""
    return f"{100 * low:.0f}–{100 * high:.0f} %"


def number(value: float) -> str:
    """Write a mean with as many digits as say something, such as ``−1.31``, ``0.042`` and ``1,204``."""
    size = abs(value)
    if size >= 99.95:
        written = f"{value:,.0f}"
    elif size >= 9.995:
        written = f"{value:.1f}"
    elif size >= 0.995:
        written = f"{value:.2f}"
    else:
        written = f"{value:.3f}" if size >= 0.0005 or not size else f"{value:.1g}"
    return ("0" if not size else written).replace("-", "−")


def number_range(low: float, high: float) -> str:
    """Write an interval of means, such as ``−0.20 to 1.31``: a dash between numbers with signs cannot be read."""
    return f"{number(low)} to {number(high)}"
