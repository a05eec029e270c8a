"""The library that draws the pictures: Vega-Lite, as one script."""

import functools
import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

_ENTRY = "window.vegaEmbed = vegaEmbed;"


@functools.cache
def vega() -> str:
    """Return the script, which defines `vegaEmbed`.

    To bundle it takes a second or two, so it is kept in the user's cache. A cache that cannot be used costs
    that time, and nothing else.
    """
    kept = _cache() / f"vega-{version('vl-convert-python')}.js"
    with suppress(OSError, UnicodeDecodeError):
        if (script := kept.read_text(encoding="utf-8")).endswith(_MARK):
            return script
    script = _bundled()
    with suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        unfinished = kept.with_name(f".{kept.name}.{os.getpid()}")
        unfinished.write_text(script, encoding="utf-8")
        unfinished.replace(kept)
    return script


_MARK = "\n// end of the bundle\n"


def _bundled() -> str:
    import vl_convert  # noqa: PLC0415 it starts a JavaScript engine, which hardly anybody needs

    # What would end the script element cannot stand in it, not even in a string.
    return vl_convert.javascript_bundle(_ENTRY).replace("</script", "<\\/script") + _MARK


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(root) if root.startswith("/") else Path.home() / ".cache") / "rft-preflight"
