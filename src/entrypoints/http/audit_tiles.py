"""The tree in tiles (c2sp.org/tlog-tiles), for auditors who compute it themselves."""

from __future__ import annotations

from litestar import Controller, Response, get
from litestar.params import FromPath

from application.audit.ports import AuditTrail
from domain.audit.tiles import Tile, entry_bundle, tile_at
from domain.errors import NotFound
from domain.identity import Caller, Role, TenantId
from entrypoints.http.injected import Injected

READ_BY = (Role.AUDITOR, Role.ADMIN)
# A full tile never changes. Only its reader may keep it: it was given to an authenticated person.
NEVER_CHANGES = {"Cache-Control": "private, max-age=31536000, immutable"}


class TilesController(Controller):
    """/v1/audit/tile"""

    path = "/v1/audit/tile"
    tags = ("Audit",)

    @get("/{level:int}/{index:path}", media_type="application/octet-stream")
    async def get_hash_tile(
        self,
        caller: Injected[Caller],
        audit_trail: Injected[AuditTrail],
        level: FromPath[int],
        index: FromPath[str],
    ) -> Response[bytes]:
        """Hashes of 256 nodes, or of as many as `.p/` names: `0/x001/234`, `0/000.p/57`."""
        return await hash_tile(audit_trail, caller.tenant_id, level, index)

    @get("/entries/{index:path}", media_type="application/octet-stream")
    async def get_entry_bundle(
        self,
        caller: Injected[Caller],
        audit_trail: Injected[AuditTrail],
        index: FromPath[str],
    ) -> Response[bytes]:
        """Up to 256 entries, each after its length. For auditors: they tell who did how much."""
        tile = tile_at(0, index.lstrip("/"))
        if caller.role not in READ_BY or tile is None:
            raise NotFound
        entries = await audit_trail.leaves(caller.tenant_id, tile.start, tile.width)
        if len(entries) < tile.width:
            raise NotFound
        return _tile(tile, entry_bundle(entries))


async def hash_tile(
    audit_trail: AuditTrail, tenant_id: TenantId, level: int, index: str
) -> Response[bytes]:
    """Raises NotFound for a tile that the tree does not have, or not so wide."""
    tile = tile_at(level, index.lstrip("/"))
    if tile is None:
        raise NotFound
    nodes = await audit_trail.nodes(tenant_id, tile.positions)
    if len(nodes) < tile.width:
        raise NotFound
    return _tile(tile, b"".join(nodes[each] for each in tile.positions))


def _tile(tile: Tile, content: bytes) -> Response[bytes]:
    headers = NEVER_CHANGES if tile.is_full else {}
    return Response(content, media_type="application/octet-stream", headers=headers)
