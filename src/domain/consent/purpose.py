"""Purposes: why personal things are used. Each tenant has a registry of them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from domain.errors import Conflict, Invalid, NotAllowed
from domain.identity import Purpose

TITLE_LENGTH_MAX = 200
CODE_PATTERN = "^[a-z][a-z0-9_]{0,63}$"
DPV_PATTERN = "^(dpv|sector-health):[A-Za-z]{1,80}$"


class PurposeNotUsable(Invalid):
    """A purpose has a code of small letters, a title of 1 to 200 characters, and a DPV term."""

    code = "purpose_not_usable"


class PurposeIsKeptByAdministrators(NotAllowed):
    """Only an administrator of the tenant changes its registry of purposes."""

    code = "purpose_is_kept_by_administrators"


class PurposeAgreedTo(Conflict):
    """Consents were asked for or given for this purpose as it is told now: register another one."""

    code = "purpose_agreed_to"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredPurpose:
    """A purpose as notices name it, and the term of the Data Privacy Vocabulary it stands for."""

    code: Purpose
    title: str
    dpv_term: str

    def __post_init__(self) -> None:
        if not re.fullmatch(CODE_PATTERN, self.code, re.ASCII):
            raise PurposeNotUsable(field="/code")
        if not 1 <= len(self.title) <= TITLE_LENGTH_MAX or not self.title.isprintable():
            raise PurposeNotUsable(field="/title")
        if not re.fullmatch(DPV_PATTERN, self.dpv_term, re.ASCII):
            raise PurposeNotUsable(field="/dpv_term")
