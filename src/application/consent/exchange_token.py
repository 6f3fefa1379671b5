"""Exchange a token for a narrower one (RFC 8693): what an agent is given instead of one's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from application.consent.give_grant import GiveGrant
from application.consent.ports import Consents, ConsentTransaction
from application.ports import NewId, OpaqueTokens
from domain.consent.grant import Grant, GrantNotFound
from domain.consent.link import TOKEN_LIFETIME
from domain.consent.terms import Terms
from domain.errors import Invalid
from domain.identity import Action, Caller, GrantId, PersonId, Purpose, ResourceRef

LIFETIME_MAX = timedelta(days=1)
NAME_CHARACTERS_MAX = 80


class AgentNameNotValid(Invalid):
    """An agent's name has 1 to 80 printable characters."""

    code = "agent_name_not_valid"


class LifetimeNotValid(Invalid):
    """A token for an agent lasts for a second to a day."""

    code = "lifetime_not_valid"


class PurposeMissing(Invalid):
    """Say for which purpose: there is no grant that it would follow from."""

    code = "purpose_missing"


class AgentCannotStepUp(Invalid):
    """This grant demands a second factor, and an agent does not sign in: it could not read."""

    code = "agent_cannot_step_up"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangedToken:
    """A token, and the grant of the agent's own under which it acts, and with which it ends."""

    token: str = field(repr=False)
    grant: Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeToken:
    """By the owner, or by whoever holds a grant with the action `share`.

    The agent is a grantee of its own: what it does is decided, released and logged in its name, and
    its grant ends with the one above it.
    """

    consents: Consents
    give_grant: GiveGrant
    tokens: OpaqueTokens
    new_id: NewId

    async def __call__(
        self,
        *,
        caller: Caller,
        resource: ResourceRef,
        actions: frozenset[Action],
        purpose: Purpose | None = None,
        name: str = "An agent",
        lifetime: timedelta = TOKEN_LIFETIME,
        parent_id: GrantId | None = None,
    ) -> ExchangedToken:
        """Of what `parent_id` limits, everything is passed on; `actions` and `lifetime` narrow it.

        Raises as GiveGrant does, and Invalid naming the field.
        """
        if not 1 <= len(name) <= NAME_CHARACTERS_MAX or not name.isprintable():
            raise AgentNameNotValid(field="/agent")
        if not timedelta(seconds=1) <= lifetime <= LIFETIME_MAX:
            raise LifetimeNotValid(field="/lifetime")
        token = self.tokens.new(caller.tenant_id)
        async with self.consents.begin(caller) as tx:
            parent = await self._parent(tx, caller, parent_id)
            expires_at = await tx.now() + lifetime
            terms = _attenuated(resource, actions, purpose, expires_at, parent)
            if terms.required_acr is not None:
                raise AgentCannotStepUp(field="/parent_id")
            grantee = await tx.add_grantee(PersonId(self.new_id()), kind="agent", name=name)
            grant = await self.give_grant.within(
                tx,
                caller,
                grantee=grantee,
                terms=terms,
                parent_id=parent_id,
                grant_id=GrantId(self.new_id()),
            )
            await tx.keep_token(grant, token.hash)
        return ExchangedToken(token=token.text, grant=grant)

    async def _parent(
        self, tx: ConsentTransaction, caller: Caller, parent_id: GrantId | None
    ) -> Grant | None:
        if parent_id is None:
            return None
        parent = await tx.grant(parent_id)
        if parent is None or parent.grantee_id != caller.person_id:
            raise GrantNotFound
        return parent


def _attenuated(
    resource: ResourceRef,
    actions: frozenset[Action],
    purpose: Purpose | None,
    expires_at: datetime,
    parent: Grant | None,
) -> Terms:
    if parent is None:
        if purpose is None:
            raise PurposeMissing(field="/purpose")
        return Terms(resource=resource, actions=actions, purpose=purpose, expires_at=expires_at)
    return Terms(
        resource=resource,
        fields=parent.fields,
        versions=parent.versions,
        actions=actions,
        purpose=purpose or parent.purpose,
        expires_at=min(expires_at, parent.expires_at),
        max_uses=parent.max_uses,
        uses_per_interval=parent.uses_per_interval,
        retention=parent.retention,
        required_acr=parent.required_acr,
    )
