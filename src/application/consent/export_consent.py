"""Export a consent, for either side, in a form that others read."""

from __future__ import annotations

from dataclasses import dataclass

from application.consent.ports import Consents
from domain.consent.exports import Controller, ExportForm, as_dpv, as_kantara
from domain.consent.record import ConsentNotFound
from domain.identity import Caller, ConsentId


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportConsent:
    """The record with its events as they are now."""

    consents: Consents
    controller: Controller

    async def __call__(
        self, *, caller: Caller, consent_id: ConsentId, form: ExportForm
    ) -> dict[str, object]:
        """Raises ConsentNotFound unless the caller is a side of it, ConsentNotInForce for
        Kantara's receipt of what was never given."""
        async with self.consents.begin(caller) as tx:
            record = await tx.consent(consent_id)
            if record is None:
                raise ConsentNotFound
            purpose = await tx.purpose(record.terms.purpose)
            assert purpose is not None  # it was looked up when the record was made
            events = await tx.events(consent_id)
            now = await tx.now()
            sensitive = await tx.sensitive_fields(record.terms)
        if form is ExportForm.KANTARA:
            return as_kantara(record, events, purpose, self.controller, sensitive=sensitive)
        return as_dpv(record, events, purpose, at=now)
