"""What a refusal says."""

from __future__ import annotations

from typing import Any

import pytest


def codes(refusal: pytest.ExceptionInfo[Any]) -> list[str]:
    """Return the code of each problem of a refusal that was caught, in its order."""
    return [problem.code for problem in refusal.value.problems]
