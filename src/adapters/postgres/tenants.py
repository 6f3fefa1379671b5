"""Tenants are made by an operator, not by a request: this runs as the role that owns the tables."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from adapters.identifiers import uuid7
from adapters.postgres.engine import OWNER, Database
from domain.identity import TenantId

# Terms of the Data Privacy Vocabulary (DPV 2 and its extension for health) that the built-in
# purposes stand for.
BUILT_IN_PURPOSES = (
    ("personal_use", "Personal use of one's own things", "dpv:PersonalisedBenefits"),
    ("research", "Research", "dpv:ResearchAndDevelopment"),
    ("service_provision", "Providing a service", "dpv:ServiceProvision"),
    ("identity_verification", "Verifying an identity", "dpv:IdentityVerification"),
    ("care", "Care and medical treatment", "sector-health:ServiceProvision"),
    ("legal_compliance", "Complying with the law", "dpv:LegalCompliance"),
)

_FIND = text("SELECT tenant_id FROM tenant_named(:name)")
_CREATE = text(
    "INSERT INTO tenants (tenant_id, name, sign_up_open) VALUES (:tenant, :name, :sign_up_open)"
    " ON CONFLICT DO NOTHING"
)
_PURPOSE = text(
    "INSERT INTO purposes (tenant_id, code, title, dpv_term)"
    " VALUES (:tenant, :code, :title, :dpv_term) ON CONFLICT DO NOTHING"
)


async def create_tenant(database: Database, *, name: str, sign_up_open: bool) -> TenantId:
    """The tenant of this name, made with the built-in purposes if there is none yet."""
    engine = create_async_engine(database.url, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.execute(text(f"SET LOCAL ROLE {OWNER}"))
            found = (await connection.execute(_FIND, {"name": name})).scalar_one_or_none()
            if found is not None:
                return TenantId(found)
            tenant = uuid7()
            await connection.execute(
                text("SELECT set_config('app.tenant', :tenant, true)"), {"tenant": str(tenant)}
            )
            values = {"tenant": tenant, "name": name, "sign_up_open": sign_up_open}
            await connection.execute(_CREATE, values)
            for code, title, term in BUILT_IN_PURPOSES:
                purpose = {"tenant": tenant, "code": code, "title": title, "dpv_term": term}
                await connection.execute(_PURPOSE, purpose)
        async with engine.connect() as connection:
            await connection.execute(text(f"SET ROLE {OWNER}"))
            return TenantId((await connection.execute(_FIND, {"name": name})).scalar_one())
    finally:
        await engine.dispose()
