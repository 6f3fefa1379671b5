"""Share links: whoever has one can redeem it, a number of times, for a token under one grant."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from domain.consent.grant import Grant
from domain.consent.notice import Notice
from domain.errors import Invalid, NotFound
from domain.identity import Caller, PersonId

REDEMPTIONS_MAX = 1_000
PASS_CODE_ATTEMPTS = 10
TOKEN_LIFETIME = timedelta(hours=1)


class LinkNotFound(NotFound):
    """There is nothing here for you: it does not exist, or you may not see it."""


class LinkNotUsable(NotFound):
    """This link does not open anything: it is unknown, used up, over, or the pass-code is wrong."""


class LinkCannotStepUp(Invalid):
    """Whoever has a link does not sign in, so no second factor can be demanded of them."""

    code = "link_cannot_step_up"


class LinkRefusal(StrEnum):
    """Why a link was not redeemed: an alert for its owner. Whoever came learns nothing of it."""

    REDEEMED_BEFORE = "link_redeemed_before"
    PASSCODE_WRONG = "link_passcode_wrong"
    NOT_IN_FORCE = "link_not_in_force"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareLink:
    """A link as its creator sees it. `id` is that of the grantee in whose name it acts.

    `refused_count` tells how often somebody came who could not redeem it: a second redemption, a
    wrong pass-code. After ten wrong ones the link is locked.
    """

    id: PersonId
    creator_id: PersonId
    grant: Grant
    has_pass_code: bool
    redemptions_max: int
    redemptions_left: int
    is_locked: bool
    refused_count: int
    refused_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """What whoever redeems a link agrees to: the notice as it was shown, and the signed receipt
    that is the link's own."""

    notice: Notice
    receipt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStanding:
    """What a grant token is good for, as long as it and its grant are."""

    caller: Caller
    grant: Grant
    created_at: datetime
    expires_at: datetime


def token_expiry(grant: Grant, now: datetime) -> datetime:
    return min(now + TOKEN_LIFETIME, grant.expires_at)
