-- The next event of a consent whose object is gone, if the consent is in force.
INSERT INTO consent_events
    (tenant_id, consent_id, seq, event_type, event_state, entity_id, event_time)
SELECT :tenant, :consent, e.seq + 1, 'consent_invalidated', :state, :entity, clock_timestamp()
FROM consent_events e
WHERE e.tenant_id = :tenant AND e.consent_id = :consent
  AND e.seq = (SELECT max(l.seq) FROM consent_events l
               WHERE l.tenant_id = :tenant AND l.consent_id = :consent)
  AND e.event_state = ANY(:valid)
