-- Several withdrawals may keep one answer, each on the basis of its day. The last one stands in
-- kept_at, kept_basis and kept_reference, as before; those before it stand here, the oldest first:
-- [{"since", "lawful_basis", "reference"}].
ALTER TABLE messages
    ADD COLUMN kept_before jsonb;
