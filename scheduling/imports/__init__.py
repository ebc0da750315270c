"""Running courses from the clinic's last system, brought in through the same acts as anywhere else.

`reading` makes records of a file, `bringing` carries them out: all of a file, or nothing of it.
"""

from .bringing import Brought, ImportRefused, bring_in
from .reading import SPECS, FileUnreadable, Record, read

__all__ = ["SPECS", "Brought", "FileUnreadable", "ImportRefused", "Record", "bring_in", "read"]
