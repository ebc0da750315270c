"""What axe-core (vendor/axe-core) finds on a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

AXE = (Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
# (rule, selector) -> why it stays: only what is the admin's own and cannot be changed from here.
ALLOWED: dict[tuple[str, str], str] = {}


def serious(page: Page) -> list[str]:
    """What axe-core calls serious or critical, one line for each element; what is folded is looked at unfolded."""
    page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
    page.evaluate("Promise.all(document.getAnimations().map(one => one.finished.catch(() => null)))")
    page.evaluate(AXE)
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert len(found["passes"]) > 10
    return [
        f"{rule['impact']}: {rule['id']} {' '.join(node['target'])}: {node['failureSummary']}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
        if (rule["id"], " ".join(node["target"])) not in ALLOWED
    ]
