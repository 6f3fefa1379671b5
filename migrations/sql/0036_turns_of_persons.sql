-- The priorities of a person's jobs that are not done. The place of the next one follows from the lowest.
CREATE INDEX pgqueuer_person_idx ON pgqueuer ((headers ->> 'person_id'), priority)
    WHERE status IN ('queued', 'picked');
