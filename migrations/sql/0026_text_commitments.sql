-- What stands for the whole text of a version in evidence and in the manifests of answers: HMAC-SHA256
-- under a key from the version's data key, written with the text. NULL: there is no text yet, or it was
-- kept before there were commitments, until it is indexed again.
ALTER TABLE versions ADD COLUMN text_commitment bytea
    CHECK (octet_length(text_commitment) = 32);
CALL keep_no_samples('versions');
