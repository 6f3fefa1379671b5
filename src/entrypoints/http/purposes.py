"""The registry of purposes over HTTP."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Controller, get, put
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from application.consent.ports import Purposes
from application.consent.register_purpose import RegisterPurpose
from domain.consent.purpose import DPV_PATTERN, TITLE_LENGTH_MAX, RegisteredPurpose
from domain.identity import Caller, Purpose
from entrypoints.http.injected import Injected
from entrypoints.http.pages import Page

PURPOSE_EXAMPLE = {"title": "Insurance claims", "dpv_term": "dpv:ServiceProvision"}


class PurposeTold(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How notices name it, and the term of the Data Privacy Vocabulary it stands for."""

    title: Annotated[str, Meta(min_length=1, max_length=TITLE_LENGTH_MAX)]
    dpv_term: Annotated[str, Meta(pattern=DPV_PATTERN, max_length=94)]


class PurposeShown(msgspec.Struct, kw_only=True):
    """A purpose that grants can be given for."""

    code: str
    title: str
    dpv_term: str


class PurposesController(Controller):
    """/v1/purposes"""

    path = "/v1/purposes"
    tags = ("Consent",)

    @get()
    async def list_purposes(
        self, caller: Injected[Caller], purposes: Injected[Purposes]
    ) -> Page[PurposeShown]:
        """The tenant's registry of purposes, in the order of their codes."""
        return Page(items=[_shown(each) for each in await purposes.all(caller)])

    @put("/{code:str}", opt={"example": PURPOSE_EXAMPLE})
    async def put_purpose(
        self,
        caller: Injected[Caller],
        register_purpose: Injected[RegisterPurpose],
        code: FromPath[str],
        data: JSONBody[PurposeTold],
    ) -> PurposeShown:
        """Register a purpose, or change how it is told: for administrators.

        409 `purpose_agreed_to` once a consent names it: what was agreed to is told as it was then.
        """
        purpose = await register_purpose(
            caller=caller, code=Purpose(code), title=data.title, dpv_term=data.dpv_term
        )
        return _shown(purpose)


def _shown(purpose: RegisteredPurpose) -> PurposeShown:
    return PurposeShown(code=purpose.code, title=purpose.title, dpv_term=purpose.dpv_term)
