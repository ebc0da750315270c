"""Rows written as if they had always been there: by superusers, without any trigger, in one transaction."""

from __future__ import annotations

OFF = "SET LOCAL session_replication_role = replica"
# That others may be there than before (RosterState) only a trigger says: it fires by statement, if not a row changes.
ON_AGAIN = "SET LOCAL session_replication_role = origin; UPDATE scheduling_capability SET code = code WHERE false"
